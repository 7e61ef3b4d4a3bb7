/** The roles of a guild. */
import {
  type APIRole,
  AuditLogEvent,
  RESTJSONErrorCodes,
  type RESTPostAPIGuildRoleJSONBody,
  type RoleFlags,
} from 'discord-api-types/v10';
import { GUILD_ROLES_MAX } from '../../../../protocols/limits.ts';
import { presentOrdinals } from '../../world/member-chunks.ts';
import { rolesAt } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { bits, flag, image, nullable, object, text, whole } from '../fields.ts';
import { jsonResponse } from '../http.ts';
import { type Call, type Endpoint, guildOf, Refusal, tell } from './endpoint.ts';
import { reorder } from './positions.ts';
import { type Happening, type Resource, resourceEndpoints } from './resource.ts';

const NAME_MAX = 100;
const COLOR_MAX = 0xff_ff_ff;
const ICON_KIB = 256;

const COLOR = nullable(whole(0, COLOR_MAX));

const EVENTS = {
  create: 'GUILD_ROLE_CREATE',
  update: 'GUILD_ROLE_UPDATE',
  delete: 'GUILD_ROLE_DELETE',
} as const;

function tellOfRole(call: Call, role: APIRole, happening: Happening): void {
  const guild_id = guildOf(call).id;
  const about = happening === 'delete' ? { role_id: role.id } : { role };
  tell(call, EVENTS[happening], guild_id, { guild_id, ...about });
}

/** What was given, and what follows from it: the old field of a role's colour goes with the new. */
function changed(role: APIRole, fields: Partial<RESTPostAPIGuildRoleJSONBody>): APIRole {
  const { color, colors, ...rest } = fields;
  const primary = colors?.primary_color ?? color ?? role.color;
  const given = Object.entries(rest).map(([name, value]) => [
    name,
    value ?? DEFAULTS[name] ?? null,
  ]);
  return {
    ...role,
    ...Object.fromEntries(given),
    color: primary,
    colors: { ...role.colors, ...colors, primary_color: primary },
  };
}

const DEFAULTS: Readonly<Record<string, unknown>> = {
  name: 'new role',
  hoist: false,
  mentionable: false,
  permissions: '0',
};

const ROLES: Resource<APIRole, RESTPostAPIGuildRoleJSONBody> = {
  name: 'role',
  shelf: (call) => guildOf(call).shelves.roles,
  unknown: RESTJSONErrorCodes.UnknownRole,
  fields: {
    name: nullable(text(NAME_MAX)),
    permissions: nullable(bits),
    color: COLOR,
    colors: object({ primary_color: COLOR, secondary_color: COLOR, tertiary_color: COLOR }, [
      'primary_color',
    ]),
    hoist: nullable(flag),
    mentionable: nullable(flag),
    icon: nullable(image(ICON_KIB)),
    unicode_emoji: nullable(text(32)),
  },
  required: [],
  room: (call) => {
    if (guildOf(call).shelves.roles.list().length < GUILD_ROLES_MAX) return;
    throw new Refusal(apiError(RESTJSONErrorCodes.MaximumNumberOfGuildRolesReached));
  },
  // A new role stands right above @everyone.
  make: (call, fields, id) =>
    changed(
      {
        id,
        name: 'new role',
        color: 0,
        colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
        hoist: false,
        icon: null,
        unicode_emoji: null,
        position: 1,
        permissions: everyonePermissions(call),
        managed: false,
        mentionable: false,
        flags: 0 as RoleFlags,
      },
      fields,
    ),
  guard: (call, role, happening) => {
    const isFixed = role.id === guildOf(call).id || role.managed;
    if (!isFixed || happening === 'update') return;
    throw new Refusal(apiError(RESTJSONErrorCodes.InvalidRole));
  },
  change: (_call, role, fields) => changed(role, fields),
  tell: tellOfRole,
  audit: {
    create: AuditLogEvent.RoleCreate,
    update: AuditLogEvent.RoleUpdate,
    delete: AuditLogEvent.RoleDelete,
  },
  createdStatus: 200,
};

function everyonePermissions(call: Call): string {
  const model = guildOf(call);
  return model.shelves.roles.get(model.id)?.permissions ?? '0';
}

const moveRoles: Endpoint = (call) => {
  const { roles } = guildOf(call).shelves;
  const unknown = RESTJSONErrorCodes.UnknownRole;
  for (const { item, position } of reorder(call, roles, unknown)) {
    if (position === undefined || position === null || position === item.position) continue;
    const moved = { ...item, position };
    roles.put(moved);
    tellOfRole(call, moved, 'update');
  }
  return jsonResponse(200, roles.list());
};

/** How many have each role; all have @everyone, which is left out. */
const countMembers: Endpoint = (call) => {
  const model = guildOf(call);
  const others = model.shelves.roles.list().filter(({ id }) => id !== model.id);
  const counts = new Map(others.map(({ id }) => [id, 0]));
  for (const ordinal of presentOrdinals(model)) {
    for (const role of rolesAt(call.world.seed, model, ordinal)) {
      counts.set(role, (counts.get(role) ?? 0) + 1);
    }
  }
  return jsonResponse(200, Object.fromEntries(counts));
};

export const ROLE_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  ...resourceEndpoints('/guilds/:guild/roles', ROLES),
  'PATCH /guilds/:guild/roles': moveRoles,
  'GET /guilds/:guild/roles/member-counts': countMembers,
};
