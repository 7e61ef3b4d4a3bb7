/** The body that puts channels or roles of a guild in another order. */
import type { Shelf } from '../../world/shelf.ts';
import { apiError, invalidForm } from '../answers.ts';
import type { ApiErrorCode } from '../api-errors.ts';
import { flag, nullable, readFields, snowflake, whole } from '../fields.ts';
import { Form } from '../form.ts';
import { bodyOf, type Call, finishedForm, Refusal } from './endpoint.ts';

type Place = {
  readonly id: string;
  readonly position: number | null;
  readonly parent_id: string | null;
  readonly lock_permissions: boolean | null;
};

export type Move<Item> = Partial<Place> & { readonly item: Item };

/** Each thing that is to be moved, with where to; nothing is, if one of them does not exist. */
export function reorder<Item extends object>(
  call: Call,
  shelf: Shelf<Item>,
  unknown: ApiErrorCode,
): readonly Move<Item>[] {
  const { value } = bodyOf(call);
  if (!Array.isArray(value)) {
    const message = 'Only iterables may be used in a ListType';
    throw new Refusal(invalidForm([{ path: [], code: 'LIST_TYPE_CONVERT', message }]));
  }
  const places = finishedForm(new Form({ places: value }), (form) =>
    (form.objects('places', shelf.most) ?? []).map((place) =>
      readFields<Place>(
        place,
        {
          id: snowflake,
          position: nullable(whole()),
          parent_id: nullable(snowflake),
          lock_permissions: nullable(flag),
        },
        ['id'],
      ),
    ),
  );
  return places.map((place) => {
    const item = shelf.get(place.id ?? '');
    if (item === undefined) throw new Refusal(apiError(unknown));
    return { ...place, item };
  });
}
