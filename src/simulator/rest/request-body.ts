/**
 * A request's body as Discord takes it: JSON, a form, or a form with files and the JSON in one
 * part.
 *
 * Numbers and booleans of a plain form stay texts; the checks of fields convert them as Discord
 * does.
 */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import { apiError, invalidForm } from './answers.ts';
import { header, type RestRequest, type RestResponse } from './http.ts';
import { boundaryOf, type FormPart, parseMultipart } from './multipart.ts';

export type UploadedFile = {
  /** The `n` of `files[n]`. */
  readonly index: string;
  readonly filename: string;
  readonly contentType: string | undefined;
  readonly size: number;
};

export type ParsedBody =
  | { readonly ok: true; readonly value: unknown; readonly files: readonly UploadedFile[] }
  | { readonly ok: false; readonly response: RestResponse };

const FILE_NAME = /^files?\[(\d{1,3})\]$/;

export function parseBody(request: RestRequest): ParsedBody {
  const contentType = header(request.headers, 'content-type') ?? '';
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (request.body.length === 0) return { ok: true, value: {}, files: [] };
  const text = () => new TextDecoder().decode(request.body);
  if (mediaType === 'application/json') return parseJson(text(), []);
  if (mediaType === 'application/x-www-form-urlencoded') {
    return { ok: true, value: Object.fromEntries(new URLSearchParams(text())), files: [] };
  }
  if (mediaType !== 'multipart/form-data') return refuse('CONTENT_TYPE_INVALID', EXPECTED_TYPES);
  const boundary = boundaryOf(contentType);
  const parts = boundary === undefined ? undefined : parseMultipart(request.body, boundary);
  if (parts === undefined) return refuse('FORM_DATA_INVALID', 'The form data cannot be read');
  return fromParts(parts);
}

const EXPECTED_TYPES =
  'Expected "Content-Type" header to be one of application/json, application/x-www-form-urlencoded, multipart/form-data.';

function refuse(code: string, message: string): ParsedBody {
  return { ok: false, response: invalidForm([{ path: [], code, message }]) };
}

function parseJson(text: string, files: readonly UploadedFile[]): ParsedBody {
  try {
    return { ok: true, value: JSON.parse(text), files };
  } catch {
    return { ok: false, response: apiError(RESTJSONErrorCodes.RequestBodyContainsInvalidJSON) };
  }
}

function fromParts(parts: readonly FormPart[]): ParsedBody {
  const files: UploadedFile[] = [];
  const fields: Record<string, string> = {};
  for (const part of parts) {
    if (part.filename === undefined) {
      fields[part.name] = new TextDecoder().decode(part.data);
      continue;
    }
    const { filename, contentType } = part;
    const index = FILE_NAME.exec(part.name)?.[1] ?? String(files.length);
    files.push({ index, filename, contentType, size: part.data.length });
  }
  const { payload_json: payload, ...rest } = fields;
  return payload === undefined ? { ok: true, value: rest, files } : parseJson(payload, files);
}
