/** What the bot did to guilds, as their audit logs tell it. */
import type {
  APIAuditLogChange,
  APIAuditLogEntry,
  APIAuditLogOptions,
  AuditLogEvent,
} from 'discord-api-types/v10';
import { header, jsonResponse } from '../http.ts';
import {
  type Call,
  type Endpoint,
  guildOf,
  idOf,
  queryInteger,
  querySnowflake,
  tell,
} from './endpoint.ts';

const REASON_HEADER = 'x-audit-log-reason';
const ENTRIES_MAX = 100;
const ENTRIES_DEFAULT = 50;

export type Deed = {
  readonly action: AuditLogEvent;
  readonly target: string | null;
  readonly before?: object | undefined;
  readonly after?: object | undefined;
  /** Where they are not just what differs between before and after. */
  readonly changes?: readonly APIAuditLogChange[];
  readonly options?: Readonly<Record<string, string>>;
  /** Where the path names no guild. */
  readonly guildId?: string;
};

/** The reason that the request gives. Reasons are percent-encoded; what is not comes as it is. */
export function reasonOf(call: Call): string | undefined {
  const reason = header(call.request.headers, REASON_HEADER);
  if (reason === undefined || reason === '') return undefined;
  try {
    return decodeURIComponent(reason);
  } catch {
    return reason;
  }
}

/** Writes an entry and tells of it. What changes nothing leaves no entry. */
export function recordAudit(call: Call, deed: Deed): void {
  const guildId = deed.guildId ?? idOf(call, 'guild');
  const changes = [...(deed.changes ?? changesOf(deed.before, deed.after))];
  if (deed.before !== undefined && deed.after !== undefined && changes.length === 0) return;
  const reason = reasonOf(call);
  const entry: APIAuditLogEntry = {
    id: call.world.newId(call.clock.epochMs()),
    user_id: call.world.bot.id,
    target_id: deed.target,
    action_type: deed.action,
    ...(changes.length === 0 ? {} : { changes }),
    // Which options there are depends on the action; the types ask for all of them.
    ...(deed.options === undefined ? {} : { options: deed.options as APIAuditLogOptions }),
    ...(reason === undefined ? {} : { reason }),
  };
  call.records.of(guildId).auditLog.put(entry);
  tell(call, 'GUILD_AUDIT_LOG_ENTRY_CREATE', guildId, { ...entry, guild_id: guildId });
}

/** Field by field; what is a thing's id or its place is not something that changed about it. */
function changesOf(before: object = {}, after: object = {}): APIAuditLogChange[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const changes = [...names].flatMap((key) => {
    const [old_value, new_value] = [Reflect.get(before, key), Reflect.get(after, key)];
    if (key === 'guild_id' || JSON.stringify(old_value) === JSON.stringify(new_value)) return [];
    return [{ key, old_value, new_value }];
  });
  // Discord's types name each key; which there are follows here from what was changed.
  return changes as APIAuditLogChange[];
}

const getAuditLog: Endpoint = (call) => {
  const model = guildOf(call);
  const limit = queryInteger(call, 'limit', 1, ENTRIES_MAX, ENTRIES_DEFAULT);
  const [before, after] = [querySnowflake(call, 'before'), querySnowflake(call, 'after')];
  const userId = call.query.get('user_id');
  const action = call.query.get('action_type');
  const entries = call.records
    .of(model.id)
    .auditLog.list()
    .filter(
      (entry) =>
        (before === undefined || BigInt(entry.id) < before) &&
        (after === undefined || BigInt(entry.id) > after) &&
        (userId === null || entry.user_id === userId) &&
        (action === null || entry.action_type === Number(action)),
    );
  // The newest first, unless the page is counted from an older entry.
  const page = after === undefined ? entries.toReversed() : entries;
  return jsonResponse(200, {
    audit_log_entries: page.slice(0, limit),
    application_commands: [],
    auto_moderation_rules: call.records.of(model.id).rules.list(),
    guild_scheduled_events: [],
    integrations: [],
    threads: [],
    users: entries.length === 0 ? [] : [call.world.bot],
    webhooks: [],
  });
};

export const AUDIT_LOG_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/audit-logs': getAuditLog,
};
