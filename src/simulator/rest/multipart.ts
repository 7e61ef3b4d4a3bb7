/**
 * Reads `multipart/form-data`, the whole body at once: the form in which files come.
 *
 * Returns undefined for what is not such a form; never throws.
 */
import { SIMULATOR_FORM_PARTS_MAX } from '../../../protocols/limits.ts';

export type FormPart = {
  readonly name: string;
  /** Only files have one. */
  readonly filename: string | undefined;
  readonly contentType: string | undefined;
  readonly data: Uint8Array;
};

const LINE_BREAK = '\r\n';
const HEADERS_END = '\r\n\r\n';

/** The boundary that a Content-Type names, or undefined. */
export function boundaryOf(contentType: string): string | undefined {
  const match = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  return match?.[1] ?? match?.[2];
}

export function parseMultipart(
  body: Uint8Array,
  boundary: string,
): readonly FormPart[] | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const delimiter = `--${boundary}`;
  if (bytes.subarray(0, delimiter.length).toString('latin1') !== delimiter) return undefined;
  const parts: FormPart[] = [];
  let position = delimiter.length;
  while (parts.length <= SIMULATOR_FORM_PARTS_MAX) {
    if (bytes.subarray(position, position + 2).toString('latin1') === '--') return parts;
    if (bytes.subarray(position, position + 2).toString('latin1') !== LINE_BREAK) return undefined;
    const start = position + LINE_BREAK.length;
    const end = bytes.indexOf(`${LINE_BREAK}${delimiter}`, start, 'latin1');
    if (end < 0) return undefined;
    const part = parsePart(bytes.subarray(start, end));
    if (part === undefined) return undefined;
    parts.push(part);
    position = end + LINE_BREAK.length + delimiter.length;
  }
  return undefined;
}

function parsePart(bytes: Buffer): FormPart | undefined {
  const headersEnd = bytes.indexOf(HEADERS_END, 0, 'latin1');
  if (headersEnd < 0) return undefined;
  const headers = new Map<string, string>();
  for (const line of bytes.subarray(0, headersEnd).toString('utf8').split(LINE_BREAK)) {
    const colon = line.indexOf(':');
    if (colon < 0) return undefined;
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const disposition = headers.get('content-disposition') ?? '';
  if (!/^form-data\b/i.test(disposition)) return undefined;
  const name = parameter(disposition, 'name');
  if (name === undefined) return undefined;
  return {
    name,
    filename: parameter(disposition, 'filename'),
    contentType: headers.get('content-type'),
    data: bytes.subarray(headersEnd + HEADERS_END.length),
  };
}

function parameter(disposition: string, name: string): string | undefined {
  const match = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, 'i').exec(
    disposition,
  );
  // Browsers escape quotes as %22, other clients with a backslash.
  return match?.[1]?.replaceAll('%22', '"').replaceAll(/\\(["\\])/g, '$1') ?? match?.[2];
}
