/**
 * The one place where secrets are taken out of what people get to see.
 *
 * It works in two ways at once. Patterns find what looks like a secret wherever it stands:
 * passwords in URLs, Discord's bot tokens, Authorization values, the tokens in webhook and
 * interaction paths. And the secrets of the running process, once added, are found literally, in
 * every form in which a log line may hold them. Text stays readable and JSON stays JSON: only the
 * secret itself is replaced.
 */
import { KNOWN_SECRETS_MAX } from '../protocols/limits.ts';

const HIDDEN = '***';

/** A shorter secret is no secret, and hiding it would tear ordinary words apart. */
const SECRET_MIN_LENGTH = 6;

/**
 * The user part of a URL inside a text, up to the last @ before a blank or a closing quote. Every
 * repetition is bounded, so that a long line without any URL costs no more than its length.
 */
const URL_CREDENTIALS = /([a-z][a-z0-9+.-]{0,20}:\/\/)((?:(?:[^\s"\\@]|\\.){0,1024}@){1,16})/gi;
const BOT_TOKEN = /[\w-]{23,30}\.[\w-]{5,8}\.[\w-]{25,}/g;
const MULTI_FACTOR_TOKEN = /mfa\.[\w-]{20,}/g;
const AUTHORIZATION = /\b(Bot|Bearer|Basic) +[\w.~+/=-]{16,}/gi;
const PATH_TOKEN = /\/(webhooks|interactions)\/(\d{1,20})\/[^/\s"?#]{16,}/g;
const PARAMETER = /\b(password|passwd|token|secret)=[^&\s"#]+/gi;

export interface Redactor {
  /** From now on `secret` is found literally. Very short ones are left to the patterns. */
  add(secret: string): void;
  redact(text: string): string;
}

export function createRedactor(): Redactor {
  const forms = new Set<string>();
  // Longest first, so that no form leaves the rest of a longer one standing.
  let ordered: readonly string[] = [];
  return {
    add(secret) {
      if (secret.length < SECRET_MIN_LENGTH || forms.size >= KNOWN_SECRETS_MAX) return;
      for (const form of writtenForms(secret)) forms.add(form);
      ordered = [...forms].sort((one, other) => other.length - one.length);
    },
    redact(text) {
      let clean = text;
      for (const form of ordered) clean = clean.replaceAll(form, HIDDEN);
      return redactPatterns(clean);
    },
  };
}

/** As it is, inside JSON, and percent-encoded. */
function writtenForms(secret: string): readonly string[] {
  const forms = [secret, JSON.stringify(secret).slice(1, -1)];
  try {
    forms.push(encodeURIComponent(secret));
  } catch {
    // A lone surrogate cannot be percent-encoded, and so cannot stand in a URL either.
  }
  return forms;
}

/** Hides what looks like a secret, wherever it stands in `text`. */
export function redactPatterns(text: string): string {
  return text
    .replaceAll(URL_CREDENTIALS, (_match, scheme: string, user: string) => {
      return `${scheme}${hiddenCredentials(user.slice(0, -1))}@`;
    })
    .replaceAll(BOT_TOKEN, HIDDEN)
    .replaceAll(MULTI_FACTOR_TOKEN, HIDDEN)
    .replaceAll(AUTHORIZATION, `$1 ${HIDDEN}`)
    .replaceAll(PATH_TOKEN, `/$1/$2/${HIDDEN}`)
    .replaceAll(PARAMETER, `$1=${HIDDEN}`);
}

/**
 * Hides the credentials of a whole value that is meant to be a URL or a list of them, however
 * broken it is: all up to the last @ is taken for credentials, except a scheme and a plain user
 * name.
 */
export function redactUrl(url: string): string {
  const at = url.lastIndexOf('@');
  if (at === -1) return redactPatterns(url);
  const scheme = /^\s*[a-z][a-z0-9+.-]*:\/\//i.exec(url)?.[0] ?? '';
  const user = hiddenCredentials(url.slice(scheme.length, at));
  return `${scheme}${user}@${redactPatterns(url.slice(at + 1))}`;
}

/** `user:password` becomes `user:***`; without a colon it may all be a password. */
function hiddenCredentials(credentials: string): string {
  const user = /^([\w.-]*):/.exec(credentials)?.[1];
  return user === undefined ? HIDDEN : `${user}:${HIDDEN}`;
}

/** The passwords in a URL or a list of them, as written and decoded, to be added to a Redactor. */
export function passwordsIn(text: string): readonly string[] {
  const found: string[] = [];
  for (const [, password] of text.matchAll(/:\/\/[^:/?#@]*:([^@]*)@/g)) {
    if (password === undefined) continue;
    found.push(password);
    try {
      found.push(decodeURIComponent(password));
    } catch {
      // Not percent-encoded correctly: only the written form exists.
    }
  }
  return found;
}
