/**
 * Where the rows are, in the order of the tables. A new row is a line in its file, or a file beside
 * this one and a line in here. A measured process loads the one file that it needs.
 */
import type { Row } from '../row.ts';

type RowFile = { readonly rows: readonly Row[] };

const FILES = {
  receive: (): Promise<RowFile> => import('./receive.ts'),
  gateway: (): Promise<RowFile> => import('./gateway.ts'),
  discordjs: (): Promise<RowFile> => import('./discordjs.ts'),
  proxy: (): Promise<RowFile> => import('./proxy.ts'),
  scanner: (): Promise<RowFile> => import('./scanner.ts'),
  transcoder: (): Promise<RowFile> => import('./transcoder.ts'),
  eventTable: (): Promise<RowFile> => import('./event-table.ts'),
  sessionCursor: (): Promise<RowFile> => import('./session-cursor.ts'),
  shardPlane: (): Promise<RowFile> => import('./shard-plane.ts'),
  mailbox: (): Promise<RowFile> => import('./mailbox.ts'),
};

export type RowFileName = keyof typeof FILES;

/** A row and the file that it is in. */
export type ListedRow = Row & { readonly file: RowFileName };

export async function listRows(): Promise<readonly ListedRow[]> {
  const names = Object.keys(FILES) as RowFileName[];
  const files = await Promise.all(
    names.map(async (file) => {
      const { rows } = await FILES[file]();
      return rows.map((row) => ({ ...row, file }));
    }),
  );
  return files.flat();
}

export async function loadRow(file: RowFileName, name: string): Promise<Row> {
  const { rows } = await FILES[file]();
  const row = rows.find((candidate) => candidate.name === name);
  if (row === undefined) throw new Error(`there is no row ${name}`);
  return row;
}
