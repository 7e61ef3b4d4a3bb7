/** Users of a Redis with the rights that the documentation names, and with no others. */
import { readFile } from 'node:fs/promises';
import { Redis } from 'ioredis';

/**
 * Makes the user whose rights a page of docs/ names in a sentence, for keys of this prefix.
 * @returns the URL by which it gets in
 */
export async function documentedUser(
  serverUrl: string,
  page: string,
  prefix: string,
): Promise<string> {
  const text = await readFile(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  const sentence = /A Redis user of its own needs (.*?)\./s.exec(text)?.[1] ?? '';
  const words = [...sentence.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  const rights = words.flatMap((word) => {
    const pattern = word.replace('PREFIX', prefix);
    return word.includes(':') ? [`~${pattern}`, `&${pattern}`] : [`+${word}`];
  });
  const admin = new Redis(serverUrl);
  await admin.call('ACL', 'SETUSER', 'bot', 'on', '>secret', 'resetchannels', ...rights);
  admin.disconnect();
  return serverUrl.replace('redis://', 'redis://bot:secret@');
}
