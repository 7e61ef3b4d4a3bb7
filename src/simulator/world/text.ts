/**
 * What people write: names and sentences in several scripts, with the characters that break
 * careless decoders: emoji beyond the basic plane, joined emoji, combining marks, right-to-left
 * text, line separators, quotes and backslashes.
 */
import type { Random } from '../../../protocols/ports.ts';
import { between, chance, pick } from './draw.ts';

const WORDS =
  'about after again anyone around asked away back been before better both bring build called cannot change check clear close could does done during early enough every fight first follow found friend game give going good great group guess hello help here home just keep kind know last later laugh learn leave level like line list little long look lost made make many maybe message might more morning most move much music name need never next night nice nobody nothing often open other over patch people place play please point power question queue quite raid reach ready really right room rule same second see send server should show since some song soon sorry stand start still stop stream sure take team thanks that their them then there these they thing think this though time today together tomorrow tonight try turn under update very voice wait want watch week well were what when where which while will with without word work would wrong year'.split(
    ' ',
  );

const FOREIGN = [
  'größer',
  'naïve',
  'déjà',
  'mañana',
  'żółw',
  'ещё',
  'спасибо',
  'ευχαριστώ',
  'ありがとう',
  '今日は',
  '谢谢大家',
  '안녕하세요',
  'สวัสดี',
  'नमस्ते',
  'שלום',
  'مرحبا',
  'Z͑ͫa̴l̵g̸o̶',
  'é̂',
  '𝓯𝓪𝓷𝓬𝔂',
];

const EMOJI = ['😀', '😂', '🔥', '👍🏽', '👩‍👩‍👧‍👦', '🏳️‍🌈', '🇯🇵', '❤️', '🧑🏿‍🚀', '🎉', '✅', '5️⃣'];

/** Text that a decoder must treat as text: it looks like the envelope of a frame. */
const TRAPS = [
  '{"op":7,"t":"READY","s":1,"d":null}',
  '"t":"MESSAGE_DELETE","s":99',
  'C:\\temp\\"quoted"\\n',
  'line one\nline two\r\n\ttabbed',
  'separator\u2028paragraph\u2029end',
  '}}]]"',
  '\u0000\u0007\u001f',
];

const NAME_STARTS =
  'ash bran cal dor el fen gal har iv jor kas lun mor nim or pel quin ros syl tam ul vex wil xan yar zeph'.split(
    ' ',
  );
const NAME_ENDS =
  'a as aven dale den el en ette fin ia ic ine is la len lo mir na nor on ra rin tha us vale wyn'.split(
    ' ',
  );

const PLACES =
  'arcade attic cave club den forge garden guild hall harbour haven house keep lab lodge lounge nest outpost realm shack tavern tower valley workshop'.split(
    ' ',
  );

export function userName(random: Random): string {
  const name = pick(random, NAME_STARTS) + pick(random, NAME_ENDS);
  return chance(random, 0.7)
    ? `${name}${between(random, 1, 9999)}`
    : `${name}_${pick(random, PLACES)}`;
}

/** What somebody calls themselves: more colourful than a user name. */
export function displayName(random: Random): string {
  const name = capitalise(pick(random, NAME_STARTS) + pick(random, NAME_ENDS));
  if (chance(random, 0.2)) return `${pick(random, EMOJI)} ${name}`;
  return chance(random, 0.15) ? pick(random, FOREIGN) : name;
}

export function guildName(random: Random): string {
  const name = `${displayName(random)}'s ${capitalise(pick(random, PLACES))}`;
  return chance(random, 0.15) ? `${name} ${pick(random, EMOJI)}` : name;
}

/** Lower case, joined by hyphens, as names of text channels are. */
export function channelName(random: Random): string {
  return chance(random, 0.1)
    ? `${pick(random, EMOJI)}-${pick(random, WORDS)}`
    : `${pick(random, WORDS)}-${pick(random, PLACES)}`;
}

export function title(random: Random): string {
  return `${capitalise(pick(random, WORDS))} ${pick(random, WORDS)} ${pick(random, PLACES)}`;
}

/** Letters, digits and underscores only, as names of emojis must be. */
export function expressionName(random: Random): string {
  return `${pick(random, NAME_STARTS)}${pick(random, NAME_ENDS)}_${pick(random, WORDS)}`;
}

export function word(random: Random): string {
  return pick(random, WORDS);
}

export function emoji(random: Random): string {
  return pick(random, EMOJI);
}

export function sentence(random: Random, words: number): string {
  const parts: string[] = [];
  for (let count = 0; count < words; count += 1) {
    const kind = random();
    if (kind < 0.04) parts.push(pick(random, EMOJI));
    else if (kind < 0.07) parts.push(pick(random, FOREIGN));
    else parts.push(pick(random, WORDS));
  }
  if (chance(random, 0.02)) parts.push(pick(random, TRAPS));
  return parts.join(' ');
}

/** Text of up to `maxLength` UTF-16 units in which most characters take more than one byte. */
export function multiByteText(random: Random, maxLength: number): string {
  let text = '';
  for (;;) {
    const kind = random();
    const next =
      kind < 0.45 ? pick(random, FOREIGN) : kind < 0.8 ? pick(random, EMOJI) : word(random);
    if (text.length + next.length + 1 > maxLength) return text;
    text += text === '' ? next : ` ${next}`;
  }
}

function capitalise(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
