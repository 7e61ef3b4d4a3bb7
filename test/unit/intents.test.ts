import { describe, expect, it } from 'vitest';
import {
  ALL_INTENTS,
  INTENT_ALIASES,
  INTENTS,
  intentBits,
  PRIVILEGED_INTENT_BITS,
  PRIVILEGED_INTENTS,
} from '../../protocols/discord/intents.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import { suggest } from '../../protocols/suggest.ts';

describe('intents', () => {
  it('has the bit of each name that Discord documents', () => {
    const positions = Object.fromEntries(
      Object.entries(INTENTS).map(([name, bit]) => [name, Math.log2(bit)]),
    );
    expect(positions).toEqual({
      GUILDS: 0,
      GUILD_MEMBERS: 1,
      GUILD_MODERATION: 2,
      GUILD_EXPRESSIONS: 3,
      GUILD_INTEGRATIONS: 4,
      GUILD_WEBHOOKS: 5,
      GUILD_INVITES: 6,
      GUILD_VOICE_STATES: 7,
      GUILD_PRESENCES: 8,
      GUILD_MESSAGES: 9,
      GUILD_MESSAGE_REACTIONS: 10,
      GUILD_MESSAGE_TYPING: 11,
      DIRECT_MESSAGES: 12,
      DIRECT_MESSAGE_REACTIONS: 13,
      DIRECT_MESSAGE_TYPING: 14,
      MESSAGE_CONTENT: 15,
      GUILD_SCHEDULED_EVENTS: 16,
      AUTO_MODERATION_CONFIGURATION: 20,
      AUTO_MODERATION_EXECUTION: 21,
      GUILD_MESSAGE_POLLS: 24,
      DIRECT_MESSAGE_POLLS: 25,
    });
  });

  it('has the mask of all, with and without the privileged ones', () => {
    expect(ALL_INTENTS).toBe(53_608_447);
    expect(ALL_INTENTS & ~PRIVILEGED_INTENT_BITS).toBe(53_575_421);
    expect([...PRIVILEGED_INTENTS].sort()).toEqual([
      'GUILD_MEMBERS',
      'GUILD_PRESENCES',
      'MESSAGE_CONTENT',
    ]);
  });

  it('resolves names to bits, each once', () => {
    expect(intentBits(['GUILDS', 'GUILD_MESSAGES', 'GUILDS'])).toEqual({ bits: 513, warnings: [] });
    expect(intentBits([])).toEqual({ bits: 0, warnings: [] });
    expect(intentBits(Object.keys(INTENTS)).bits).toBe(ALL_INTENTS);
  });

  it('resolves earlier names and says the current one', () => {
    for (const [old, current] of INTENT_ALIASES) {
      const resolved = intentBits([old]);
      expect(resolved.bits).toBe(INTENTS[current]);
      expect(resolved.warnings).toHaveLength(1);
      expect(resolved.warnings[0]).toContain(old);
      expect(resolved.warnings[0]).toContain(current);
    }
    expect([...INTENT_ALIASES.keys()]).toEqual([
      'GUILD',
      'GUILD_BANS',
      'GUILD_EMOJIS',
      'GUILD_EMOJIS_AND_STICKERS',
    ]);
  });

  it('GP-90: refuses an unknown name, naming it, the nearest and what is allowed', () => {
    for (const name of ['GUILD_MESAGES', 'GuildMessages', 'guild_messages']) {
      expect(() => intentBits(['GUILDS', name])).toThrow(ConfigurationError);
      expect(() => intentBits([name])).toThrow(
        `"${name}" is not an intent; did you mean GUILD_MESSAGES?`,
      );
    }
    expect(() => intentBits(['BANANAS'])).toThrow(
      '"BANANAS" is not an intent. Allowed are GUILDS,',
    );
    expect(() => intentBits(['toString'])).toThrow(ConfigurationError);
    expect(() => intentBits([''])).toThrow(ConfigurationError);
  });
});

describe('suggest', () => {
  const events = ['MESSAGE_CREATE', 'MESSAGE_UPDATE', 'READY'];

  it('finds the nearest name, whatever the case and the separators', () => {
    expect(suggest('MESSAGE_CRAETE', events)).toBe('MESSAGE_CREATE');
    expect(suggest('messageUpdate', events)).toBe('MESSAGE_UPDATE');
    expect(suggest('redy', events)).toBe('READY');
  });

  it('suggests nothing when nothing is near', () => {
    expect(suggest('BANANAS', events)).toBeUndefined();
    expect(suggest('READY', [])).toBeUndefined();
  });
});
