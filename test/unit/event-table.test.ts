import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { type EventEntry, EventTable, FILTERED } from '../../protocols/gateway/event-table.ts';
import { EVENT_NAME_MAX_BYTES, UNKNOWN_EVENTS_MAX } from '../../protocols/limits.ts';

/** A table that publishes every name but those that begin with `NO_`, and what it asked for. */
function createTable(known: readonly string[]): {
  readonly table: EventTable;
  readonly asked: string[];
  find(name: string): EventEntry;
} {
  const asked: string[] = [];
  const table = new EventTable(known, (event) => {
    asked.push(event);
    return event.startsWith('NO_') ? FILTERED : asked.length;
  });
  const find = (name: string): EventEntry => {
    const bytes = new TextEncoder().encode(`"t":"${name}","s"`);
    return table.find(bytes, 5, bytes.length - 5);
  };
  return { table, asked, find };
}

describe('the event table', () => {
  it('has an entry of its own for every documented name, and asks for its route once', () => {
    const { table, asked, find } = createTable(DISPATCH_EVENTS);
    for (const name of [...DISPATCH_EVENTS, ...DISPATCH_EVENTS]) {
      const entry = find(name);
      expect(entry.name).toBe(name);
      expect(table.entries[entry.index]).toBe(entry);
      expect(entry.route).toBe(asked.indexOf(name) + 1);
    }
    expect(new Set(DISPATCH_EVENTS.map((name) => find(name).index)).size).toBe(
      DISPATCH_EVENTS.length,
    );
    expect(asked).toEqual([...DISPATCH_EVENTS]);
  });

  it('takes a name that is listed twice for one', () => {
    const { asked, find } = createTable(['A', 'B', 'A']);
    expect(asked).toEqual(['A', 'B']);
    expect(find('A').name).toBe('A');
  });

  it('keeps what a name is filtered out for', () => {
    const { find } = createTable(['NO_TYPING_START', 'MESSAGE_CREATE']);
    expect(find('NO_TYPING_START').route).toBe(FILTERED);
    expect(find('MESSAGE_CREATE').route).not.toBe(FILTERED);
  });

  it('GP-60: enters a name that Discord adds later, once', () => {
    const { table, asked, find } = createTable(['MESSAGE_CREATE']);
    const before = table.entries.length;
    for (const name of ['MESSAGE_CREAT', 'MESSAGE_CREATED', 'message_create', 'NO_NEWS']) {
      const entry = find(name);
      expect(entry.name).toBe(name);
      expect(find(name)).toBe(entry);
    }
    expect(table.entries.length).toBe(before + 4);
    expect(asked.slice(1)).toEqual([
      'MESSAGE_CREAT',
      'MESSAGE_CREATED',
      'message_create',
      'NO_NEWS',
    ]);
    expect(find('NO_NEWS').route).toBe(FILTERED);
  });

  it('does not grow beyond its bound: what is above shares one entry that is not published', () => {
    const { table, asked, find } = createTable(['MESSAGE_CREATE']);
    for (let index = 0; index < UNKNOWN_EVENTS_MAX; index++) find(`NEW_${index}`);
    const full = table.entries.length;
    const other = find('ONE_TOO_MANY');
    expect(other.route).toBe(FILTERED);
    expect(find('TWO_TOO_MANY')).toBe(other);
    expect(table.entries.length).toBe(full);
    expect(asked.length).toBe(1 + UNKNOWN_EVENTS_MAX);
    expect(find('MESSAGE_CREATE').name).toBe('MESSAGE_CREATE');
    expect(find('NEW_7').name).toBe('NEW_7');
  });

  it('knows a name that is spelled with escapes', () => {
    const { table, find } = createTable(['MESSAGE_CREATE']);
    expect(find('\\u004dESSAGE\\u005fCREATE')).toBe(find('MESSAGE_CREATE'));
    const size = table.entries.length;
    const unusable = ['\\x', '\\u00', '\\\\', '\\u005c', '\\\\u004dESSAGE_CREATE'];
    for (const name of unusable) expect(find(name).route).toBe(FILTERED);
    expect(table.entries.length).toBe(size);
  });

  it('enters no name that is too long or no text, and takes it for none that it knows', () => {
    const { table, asked, find } = createTable(['MESSAGE_CREATE']);
    const size = table.entries.length;
    expect(find('N'.repeat(EVENT_NAME_MAX_BYTES + 1)).route).toBe(FILTERED);
    for (const bytes of [
      Buffer.of(0xff),
      Buffer.from('4e80', 'hex'),
      Buffer.from('eda080', 'hex'),
    ]) {
      expect(table.find(bytes, 0, bytes.length).route).toBe(FILTERED);
    }
    expect(table.entries.length).toBe(size);
    expect(asked).toEqual(['MESSAGE_CREATE']);
    const longest = 'N'.repeat(EVENT_NAME_MAX_BYTES);
    expect(find(longest).name).toBe(longest);
  });

  it('routes an event without a name nowhere', () => {
    const { asked, find } = createTable(['MESSAGE_CREATE']);
    expect(find('').route).toBe(FILTERED);
    expect(asked).toEqual(['MESSAGE_CREATE']);
  });

  it('tells names apart whose beginnings are equal, wherever their hashes lead', () => {
    for (let start = 0; start < 40; start++) {
      const { find } = createTable([`KNOWN_${start}`]);
      for (let end = 0; end < UNKNOWN_EVENTS_MAX; end++) {
        const name = `KNOWN_${start}_${end}`;
        if (find(name).name !== name) expect.unreachable(`${name} is taken for another`);
      }
    }
  });

  it('finds what a map would, for any names', () => {
    const name = fc.stringMatching(/^[A-C_é]{1,4}$/);
    fc.assert(
      fc.property(fc.array(name), fc.array(name, { maxLength: 100 }), (known, looked) => {
        const { find } = createTable(known);
        const seen = new Map<string, EventEntry>();
        for (const each of [...looked, ...known, ...looked]) {
          const entry = find(each);
          expect(entry.name).toBe(each);
          expect(seen.get(each) ?? entry).toBe(entry);
          seen.set(each, entry);
        }
      }),
    );
  });
});
