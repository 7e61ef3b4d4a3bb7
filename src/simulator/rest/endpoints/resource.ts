/**
 * The five endpoints of a kind of thing that is listed, shown, made, changed and deleted.
 *
 * Roles, emojis, events, rules and the like differ in their fields, their limits and the events
 * that tell of them. A resource says those; how a request is checked, kept and told of is here.
 */
import type { AuditLogEvent } from 'discord-api-types/v10';
import type { Shelf } from '../../world/shelf.ts';
import { apiError, plainError } from '../answers.ts';
import type { ApiErrorCode } from '../api-errors.ts';
import { type FieldTable, readFields } from '../fields.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import { type Call, type Endpoint, finishedForm, formOf, idOf, Refusal } from './endpoint.ts';

export type Happening = 'create' | 'update' | 'delete';

export type Resource<Item extends object, Body extends object> = {
  /** The placeholder of its id in the path, without the colon. */
  readonly name: string;
  readonly shelf: (call: Call) => Shelf<Item>;
  /** None where Discord has no code of its own for a thing that does not exist. */
  readonly unknown?: ApiErrorCode;
  readonly fields: FieldTable<Body>;
  readonly required: readonly (keyof Body & string)[];
  /** Refuses what would be one too many. */
  readonly room?: (call: Call, fields: Partial<Body>) => void;
  readonly make: (call: Call, fields: Partial<Body>, id: string) => Item;
  /** Refuses with a Refusal what Discord would not change or delete. */
  readonly guard?: (call: Call, item: Item, happening: 'update' | 'delete') => void;
  readonly change: (call: Call, item: Item, fields: Partial<Body>) => Item;
  /** Tells sessions what happened to a thing: as it is now, or was until it was deleted. */
  readonly tell: (call: Call, item: Item, happening: Happening) => void;
  /** Under which actions the guild's audit log has it; none for what belongs to no guild. */
  readonly audit?: Readonly<Record<Happening, AuditLogEvent>>;
  readonly createdStatus: 200 | 201;
  /** How a list of them is answered, where it is not just the list. */
  readonly listed?: (items: readonly object[]) => object;
  /** The thing as answers show it. */
  readonly show?: (call: Call, item: Item) => object;
};

/** The thing that the path names. */
export function itemOf<Item extends object>(
  call: Call,
  { name, shelf, unknown }: Pick<Resource<Item, object>, 'name' | 'shelf' | 'unknown'>,
): Item {
  const item = shelf(call).get(idOf(call, name));
  if (item !== undefined) return item;
  throw new Refusal(unknown === undefined ? plainError(404) : apiError(unknown, 404));
}

export function resourceEndpoints<Item extends object, Body extends object>(
  base: string,
  resource: Resource<Item, Body>,
): Readonly<Record<string, Endpoint>> {
  const { shelf, listed = (items) => items, show = (_call, item) => item } = resource;
  const one = `${base}/:${resource.name}`;
  const audited = (call: Call, happening: Happening, before?: Item, after?: Item): void => {
    const action = resource.audit?.[happening];
    if (action !== undefined)
      recordAudit(call, { action, target: targetOf(after ?? before), before, after });
  };
  return {
    [`GET ${base}`]: (call) =>
      jsonResponse(
        200,
        listed(
          shelf(call)
            .list()
            .map((item) => show(call, item)),
        ),
      ),
    [`GET ${one}`]: (call) => jsonResponse(200, show(call, itemOf(call, resource))),
    [`POST ${base}`]: (call) => {
      const kept = shelf(call);
      const fields = finishedForm(formOf(call), (form) =>
        readFields(form, resource.fields, resource.required),
      );
      resource.room?.(call, fields);
      const item = resource.make(call, fields, call.world.newId(call.clock.epochMs()));
      kept.put(item);
      resource.tell(call, item, 'create');
      audited(call, 'create', undefined, item);
      return jsonResponse(resource.createdStatus, show(call, item));
    },
    [`PATCH ${one}`]: (call) => {
      const before = itemOf(call, resource);
      const fields = finishedForm(formOf(call), (form) => readFields(form, resource.fields));
      resource.guard?.(call, before, 'update');
      const item = resource.change(call, before, fields);
      shelf(call).put(item);
      resource.tell(call, item, 'update');
      audited(call, 'update', before, item);
      return jsonResponse(200, show(call, item));
    },
    [`DELETE ${one}`]: (call) => {
      const item = itemOf(call, resource);
      resource.guard?.(call, item, 'delete');
      shelf(call).delete(idOf(call, resource.name));
      resource.tell(call, item, 'delete');
      audited(call, 'delete', item);
      return emptyResponse();
    },
  };
}

/** The id under which the audit log names a thing. */
function targetOf(item: object | undefined): string | null {
  const id =
    item === undefined ? undefined : (Reflect.get(item, 'id') ?? Reflect.get(item, 'sound_id'));
  return typeof id === 'string' ? id : null;
}
