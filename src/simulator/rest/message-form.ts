/** What Discord checks in the body of a message before it takes it. */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import { MESSAGE_CONTENT_MAX_CHARACTERS } from '../../../protocols/limits.ts';
import { apiError, invalidForm } from './answers.ts';
import { Form, isObject } from './form.ts';
import type { RestResponse } from './http.ts';
import type { UploadedFile } from './request-body.ts';

const EMBEDS_MAX = 10;
const EMBED_TOTAL_MAX = 6_000;
const EMBED_FIELDS_MAX = 25;
const STICKERS_MAX = 3;
const COMPONENTS_MAX = 40;
const FILES_MAX = 10;
const NONCE_MAX = 25;

/** Fields of which a message needs at least one. */
const SUBSTANCE = ['embeds', 'sticker_ids', 'components', 'attachments'] as const;

/** The refusal of a body for a new message, or of an edit; undefined when it is in order. */
export function checkMessage(
  value: unknown,
  files: readonly UploadedFile[],
  purpose: 'create' | 'edit',
): RestResponse | undefined {
  if (!isObject(value)) {
    const message = 'Only dictionaries may be used in a ModelType';
    return invalidForm([{ path: [], code: 'MODEL_TYPE_CONVERT', message }]);
  }
  const form = new Form(value);
  const content = form.string('content', MESSAGE_CONTENT_MAX_CHARACTERS);
  form.boolean('tts');
  form.string('nonce', NONCE_MAX);
  form.boolean('enforce_nonce');
  form.integer('flags');
  form.list('sticker_ids', STICKERS_MAX);
  form.list('components', COMPONENTS_MAX);
  form.list('attachments', FILES_MAX);
  checkEmbeds(form);
  checkReference(form);
  if (files.length > FILES_MAX) {
    form.fail('attachments', 'BASE_TYPE_MAX_LENGTH', `Must be ${FILES_MAX} or fewer in length.`);
  }
  if (form.errors.length > 0) return invalidForm(form.errors);
  if (purpose === 'edit') return undefined;
  const isEmpty = (content ?? '').trim() === '' && files.length === 0 && !hasSubstance(value);
  return isEmpty ? apiError(RESTJSONErrorCodes.CannotSendAnEmptyMessage) : undefined;
}

function hasSubstance(value: Readonly<Record<string, unknown>>): boolean {
  const isForward = isObject(value.message_reference) && value.message_reference.type === 1;
  if (isForward || isObject(value.poll) || isObject(value.shared_client_theme)) return true;
  return SUBSTANCE.some((name) => {
    const list = value[name];
    return Array.isArray(list) && list.length > 0;
  });
}

function checkReference(form: Form): void {
  const reference = form.object('message_reference');
  if (reference === undefined) return;
  if (reference.required('message_id')) reference.snowflake('message_id');
  reference.snowflake('channel_id');
  reference.snowflake('guild_id');
  reference.boolean('fail_if_not_exists');
}

function checkEmbeds(form: Form): void {
  let total = 0;
  for (const embed of form.objects('embeds', EMBEDS_MAX) ?? []) total += checkEmbed(embed);
  if (total > EMBED_TOTAL_MAX) {
    const message = `Embed size exceeds maximum size of ${EMBED_TOTAL_MAX}`;
    form.fail('embeds', 'MAX_EMBED_SIZE_EXCEEDED', message);
  }
}

/** Checks one embed and returns how many characters of it count. */
function checkEmbed(embed: Form): number {
  const texts = [embed.string('title', 256), embed.string('description', 4_096)];
  embed.string('url', 2_048);
  embed.integer('color', 0, 0xff_ff_ff);
  texts.push(embed.object('footer')?.string('text', 2_048));
  texts.push(embed.object('author')?.string('name', 256));
  for (const field of embed.objects('fields', EMBED_FIELDS_MAX) ?? []) {
    if (field.required('name')) texts.push(field.string('name', 256));
    if (field.required('value')) texts.push(field.string('value', 1_024));
    field.boolean('inline');
  }
  return texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
}
