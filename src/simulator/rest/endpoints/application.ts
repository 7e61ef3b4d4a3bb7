/** The application: what it says of itself, and the records by which it tells users apart. */
import { createHash } from 'node:crypto';
import { invalidForm, plainError } from '../answers.ts';
import {
  anything,
  choice,
  image,
  listOfTexts,
  nullable,
  readFields,
  text,
  whole,
} from '../fields.ts';
import { Form } from '../form.ts';
import { header, jsonResponse } from '../http.ts';
import { bodyOf, type Call, type Endpoint, finishedForm, formOf } from './endpoint.ts';
import { requireOwnApplication } from './own-application.ts';

const URL_MAX = 2_048;
const IMAGE_KIB = 10_240;
const METADATA_MAX = 5;

function application({ world, ...call }: Call) {
  const owner = world.user(world.guild(world.guildIds[0] ?? '')?.ownerId ?? '') ?? world.bot;
  return {
    id: world.application.id,
    name: world.application.name,
    icon: null,
    description: '',
    type: null,
    summary: '',
    bot_public: true,
    bot_require_code_grant: false,
    terms_of_service_url: null,
    privacy_policy_url: null,
    verify_key: createHash('sha256').update(world.application.id).digest('hex'),
    flags: world.application.flags,
    flags_new: String(world.application.flags),
    hook: true,
    is_monetized: false,
    team: null,
    tags: [],
    redirect_uris: [],
    interactions_endpoint_url: null,
    role_connections_verification_url: null,
    event_webhooks_url: null,
    event_webhooks_status: 1,
    integration_types_config: { 0: {} },
    approximate_guild_count: world.guildIds.length,
    approximate_user_install_count: 0,
    owner: { ...owner, flags: owner.public_flags },
    bot: world.bot,
    ...call.application.settings,
  };
}

const getCurrentApplication: Endpoint = (call) => jsonResponse(200, application(call));

const AUTHORIZED_FOR_MS = 7 * 86_400_000;

/** What a user's token may do; a bot's is none. */
const getAuthorization: Endpoint = (call) => {
  const scheme = header(call.request.headers, 'authorization') ?? '';
  if (!/^Bearer /i.test(scheme)) return plainError(401);
  const { id, name, icon, description, hook, bot_public, bot_require_code_grant, verify_key } =
    application(call);
  return jsonResponse(200, {
    application: {
      id,
      name,
      icon,
      description,
      hook,
      bot_public,
      bot_require_code_grant,
      verify_key,
    },
    scopes: ['identify'],
    expires: new Date(call.clock.epochMs() + AUTHORIZED_FOR_MS).toISOString(),
    user: call.world.bot,
  });
};

type ApplicationBody = {
  readonly custom_install_url: string;
  readonly description: string;
  readonly role_connections_verification_url: string;
  readonly install_params: object;
  readonly integration_types_config: object;
  readonly flags: number;
  readonly icon: string | null;
  readonly cover_image: string | null;
  readonly interactions_endpoint_url: string;
  readonly tags: readonly string[];
  readonly event_webhooks_url: string;
  readonly event_webhooks_status: number;
  readonly event_webhooks_types: readonly string[];
};

const editApplication: Endpoint = (call) => {
  const fields = finishedForm(formOf(call), (form) =>
    readFields<ApplicationBody>(form, {
      custom_install_url: text(URL_MAX),
      description: text(400),
      role_connections_verification_url: nullable(text(URL_MAX)),
      install_params: anything,
      integration_types_config: anything,
      flags: whole(),
      icon: nullable(image(IMAGE_KIB)),
      cover_image: nullable(image(IMAGE_KIB)),
      interactions_endpoint_url: nullable(text(URL_MAX)),
      tags: listOfTexts(5, 20),
      event_webhooks_url: nullable(text(URL_MAX)),
      event_webhooks_status: choice(1, 2),
      event_webhooks_types: listOfTexts(100, 64),
    }),
  );
  call.application.settings = { ...call.application.settings, ...fields };
  return jsonResponse(200, application(call));
};

const getMetadata: Endpoint = (call) => {
  requireOwnApplication(call);
  return jsonResponse(200, call.application.roleConnectionMetadata);
};

type MetadataRecord = {
  readonly type: number;
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly name_localizations: object;
  readonly description_localizations: object;
};

const putMetadata: Endpoint = (call) => {
  requireOwnApplication(call);
  const { value } = bodyOf(call);
  if (!Array.isArray(value)) {
    const message = 'Only iterables may be used in a ListType';
    return invalidForm([{ path: [], code: 'LIST_TYPE_CONVERT', message }]);
  }
  const records = finishedForm(new Form({ records: value }), (form) =>
    (form.objects('records', METADATA_MAX) ?? []).map((record) =>
      readFields<MetadataRecord>(
        record,
        {
          type: choice(1, 2, 3, 4, 5, 6, 7, 8),
          key: text(50, 1),
          name: text(100, 1),
          description: text(200, 1),
          name_localizations: anything,
          description_localizations: anything,
        },
        ['type', 'key', 'name', 'description'],
      ),
    ),
  );
  call.application.roleConnectionMetadata = records;
  return jsonResponse(200, records);
};

export const APPLICATION_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /applications/@me': getCurrentApplication,
  'PATCH /applications/@me': editApplication,
  'GET /oauth2/applications/@me': getCurrentApplication,
  'GET /oauth2/@me': getAuthorization,
  // Nobody plays anything here, so no instance of an activity exists.
  'GET /applications/:application/activity-instances/:instance': () => plainError(404),
  'GET /applications/:application/role-connections/metadata': getMetadata,
  'PUT /applications/:application/role-connections/metadata': putMetadata,
};
