/** What the API keeps of the application itself: its emojis, entitlements and settings. */
import type { APIApplicationEmoji, APIEntitlement } from 'discord-api-types/v10';
import {
  APPLICATION_EMOJIS_MAX,
  SIMULATOR_ENTITLEMENTS_MAX,
} from '../../../../protocols/limits.ts';
import { emptyShelf } from './records.ts';

export class ApplicationRecords {
  readonly emojis = emptyShelf<APIApplicationEmoji>(APPLICATION_EMOJIS_MAX, ({ id }) => id);
  readonly entitlements = emptyShelf<APIEntitlement>(SIMULATOR_ENTITLEMENTS_MAX, ({ id }) => id);
  /** What has been changed about the application object. */
  settings: object = {};
  roleConnectionMetadata: readonly object[] = [];
}
