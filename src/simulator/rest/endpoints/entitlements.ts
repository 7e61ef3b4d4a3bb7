/** What the application sells, and who owns it: test entitlements, as a bot can make them. */
import { type APIEntitlement, EntitlementType, RESTJSONErrorCodes } from 'discord-api-types/v10';
import { makeId, OUTSIDE_GUILDS } from '../../world/identity.ts';
import { apiError } from '../answers.ts';
import { choice, readFields, snowflake } from '../fields.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import {
  type Call,
  type Endpoint,
  finishedForm,
  formOf,
  idOf,
  queryInteger,
  querySnowflake,
  Refusal,
  refuseField,
  tell,
} from './endpoint.ts';
import { requireOwnApplication } from './own-application.ts';

const PAGE_MAX = 100;
const OWNED_BY_GUILD = 1;
const OWNED_BY_USER = 2;

/** As the events of the traffic name them. */
const SKU_ORDINALS = [10, 11, 12, 13, 14, 15];
const TYPE_CONSUMABLE = 3;
const TYPE_SUBSCRIPTION = 5;
const AVAILABLE_TO_GUILDS = 1 << 7;

/** All but the last, which can be used up, are subscriptions. */
function skus(call: Call) {
  const { id: application_id } = call.world.application;
  return SKU_ORDINALS.map((ordinal, index) => ({
    id: makeId(call.world.seed, OUTSIDE_GUILDS, 'sku', ordinal),
    type: index === SKU_ORDINALS.length - 1 ? TYPE_CONSUMABLE : TYPE_SUBSCRIPTION,
    application_id,
    name: `Premium ${index + 1}`,
    slug: `premium-${index + 1}`,
    flags: AVAILABLE_TO_GUILDS,
  }));
}

const listSkus: Endpoint = (call) => {
  requireOwnApplication(call);
  return jsonResponse(200, skus(call));
};

function requireSku(call: Call): void {
  const id = idOf(call, 'sku');
  if (skus(call).some((sku) => sku.id === id)) return;
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownSKU));
}

/** Nobody has bought anything here. */
const listSubscriptions: Endpoint = (call) => {
  requireSku(call);
  return jsonResponse(200, []);
};

const getSubscription: Endpoint = (call) => {
  requireSku(call);
  return apiError(RESTJSONErrorCodes.UnknownEntitlement);
};

function entitlementOf(call: Call): APIEntitlement {
  requireOwnApplication(call);
  const entitlement = call.application.entitlements.get(idOf(call, 'entitlement'));
  if (entitlement !== undefined) return entitlement;
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownEntitlement));
}

const listEntitlements: Endpoint = (call) => {
  requireOwnApplication(call);
  const limit = queryInteger(call, 'limit', 1, PAGE_MAX, PAGE_MAX);
  const [before, after] = [querySnowflake(call, 'before'), querySnowflake(call, 'after') ?? 0n];
  const wanted = (name: string, value: string | undefined): boolean =>
    call.query.get(name) === null || call.query.get(name) === value;
  const skuIds = call.query.get('sku_ids')?.split(',');
  const found = call.application.entitlements
    .list()
    .filter(
      (one) =>
        BigInt(one.id) > after &&
        (before === undefined || BigInt(one.id) < before) &&
        wanted('user_id', one.user_id) &&
        wanted('guild_id', one.guild_id) &&
        (skuIds === undefined || skuIds.includes(one.sku_id)),
    );
  return jsonResponse(200, found.slice(0, limit));
};

type TestBody = {
  readonly sku_id: string;
  readonly owner_id: string;
  readonly owner_type: number;
};

const createEntitlement: Endpoint = (call) => {
  requireOwnApplication(call);
  const {
    sku_id = '',
    owner_id = '',
    owner_type,
  } = finishedForm(formOf(call), (form) =>
    readFields<TestBody>(
      form,
      { sku_id: snowflake, owner_id: snowflake, owner_type: choice(OWNED_BY_GUILD, OWNED_BY_USER) },
      ['sku_id', 'owner_id', 'owner_type'],
    ),
  );
  if (!skus(call).some(({ id }) => id === sku_id)) return apiError(RESTJSONErrorCodes.UnknownSKU);
  const ofGuild = owner_type === OWNED_BY_GUILD;
  const owner = ofGuild ? call.world.guild(owner_id) : call.world.user(owner_id);
  if (owner === undefined) throw refuseField('owner_id', 'OWNER_INVALID', 'Unknown owner');
  const entitlement: APIEntitlement = {
    id: call.world.newId(call.clock.epochMs()),
    sku_id,
    application_id: call.world.application.id,
    ...(ofGuild ? { guild_id: owner_id } : { user_id: owner_id }),
    type: EntitlementType.TestModePurchase,
    deleted: false,
    consumed: false,
    starts_at: null,
    ends_at: null,
  };
  call.application.entitlements.put(entitlement);
  tell(call, 'ENTITLEMENT_CREATE', null, entitlement);
  // Valid for ever, it says nothing of when.
  const { starts_at: _, ends_at: __, ...partial } = entitlement;
  return jsonResponse(200, partial);
};

const consumeEntitlement: Endpoint = (call) => {
  const entitlement = entitlementOf(call);
  const sku = skus(call).find(({ id }) => id === entitlement.sku_id);
  if (sku?.type !== TYPE_CONSUMABLE) {
    return apiError(RESTJSONErrorCodes.OnlyConsumableSKUsCanBeConsumed);
  }
  const consumed = { ...entitlement, consumed: true };
  call.application.entitlements.put(consumed);
  tell(call, 'ENTITLEMENT_UPDATE', null, consumed);
  return emptyResponse();
};

const deleteEntitlement: Endpoint = (call) => {
  const entitlement = entitlementOf(call);
  call.application.entitlements.delete(entitlement.id);
  tell(call, 'ENTITLEMENT_DELETE', null, { ...entitlement, deleted: true });
  return emptyResponse();
};

const ENTITLEMENTS = '/applications/:application/entitlements';

export const ENTITLEMENT_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  [`GET ${ENTITLEMENTS}`]: listEntitlements,
  [`POST ${ENTITLEMENTS}`]: createEntitlement,
  [`GET ${ENTITLEMENTS}/:entitlement`]: (call) => jsonResponse(200, entitlementOf(call)),
  [`DELETE ${ENTITLEMENTS}/:entitlement`]: deleteEntitlement,
  [`POST ${ENTITLEMENTS}/:entitlement/consume`]: consumeEntitlement,
  'GET /applications/:application/skus': listSkus,
  'GET /skus/:sku/subscriptions': listSubscriptions,
  'GET /skus/:sku/subscriptions/:subscription': getSubscription,
};
