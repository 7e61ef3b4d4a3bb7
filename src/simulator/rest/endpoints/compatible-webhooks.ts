/**
 * Webhooks that are executed as another service would: with what is made for Slack, or sent by
 * GitHub.
 *
 * What Slack's clients send is turned into a message with embeds and answered `ok`, as Slack does,
 * whatever `wait` says. GitHub's events become an embed each and are answered 204; so are those
 * that Discord does not show, of which there comes no message.
 */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import { apiError } from '../answers.ts';
import { isObject } from '../form.ts';
import { emptyResponse, header, type RestResponse, textResponse } from '../http.ts';
import { checkMessage } from '../message-form.ts';
import { bodyOf, type Call, type Endpoint, Refusal } from './endpoint.ts';
import { postAs } from './webhook-messages.ts';
import { webhookOf } from './webhooks.ts';

type Fields = Readonly<Record<string, unknown>>;

const fieldsOf = (value: unknown): Fields => (isObject(value) ? value : {});
const objects = (value: unknown): readonly Fields[] =>
  Array.isArray(value) ? value.filter(isObject) : [];
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

/**
 * Posts what can be posted. Without `wait`, which is the default here, nobody hears why it cannot.
 */
function execute(call: Call, value: Fields, answer: RestResponse): RestResponse {
  const webhook = webhookOf(call);
  try {
    const refused = checkMessage(value, [], 'create');
    if (refused !== undefined) throw new Refusal(refused);
    postAs(call, webhook, value, value);
  } catch (error) {
    const isWaiting = !/^(?:false|0)$/i.test(call.query.get('wait') ?? '');
    if (isWaiting || !(error instanceof Refusal)) throw error;
  }
  return answer;
}

const SLACK_COLORS: Readonly<Record<string, number>> = {
  good: 0x2e_b8_86,
  warning: 0xda_a0_38,
  danger: 0xa3_02_00,
};

function colorOf(value: unknown): number | undefined {
  const name = text(value);
  if (name === undefined) return undefined;
  const digits = /^#?([0-9a-f]{6})$/i.exec(name)?.[1];
  return digits === undefined ? SLACK_COLORS[name] : Number.parseInt(digits, 16);
}

/** An attachment of Slack's as an embed. */
function embedOf(attachment: Fields): Fields {
  const { title, title_link: url, author_name: author, footer, ts } = attachment;
  const said = [attachment.pretext, attachment.text].map(text).filter((one) => one !== undefined);
  const description = said.length > 0 ? said.join('\n') : text(attachment.fallback);
  const seconds = Number(ts);
  const fields = objects(attachment.fields).map(({ title: name, value, short }) => ({
    name: text(name) ?? '\u200b',
    value: text(value) ?? '\u200b',
    inline: short === true,
  }));
  const image = text(attachment.image_url);
  const thumbnail = text(attachment.thumb_url);
  return defined({
    title: text(title),
    url: text(url),
    description,
    color: colorOf(attachment.color),
    timestamp: seconds > 0 ? new Date(seconds * 1_000).toISOString() : undefined,
    author: text(author) && defined({ name: author, url: text(attachment.author_link) }),
    footer: text(footer) && { text: footer },
    image: image && { url: image },
    thumbnail: thumbnail && { url: thumbnail },
    fields: fields.length > 0 ? fields : undefined,
  });
}

const defined = (value: Fields): Fields =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined));

const executeSlack: Endpoint = (call) => {
  const { value } = bodyOf(call);
  const form = fieldsOf(value);
  // Slack's own clients send the JSON as a field of a form.
  const said = typeof form.payload === 'string' ? fieldsOf(parsed(form.payload)) : form;
  const embeds = objects(said.attachments).map(embedOf);
  const message = defined({
    content: text(said.text),
    username: text(said.username),
    embeds: embeds.length > 0 ? embeds : undefined,
  });
  return execute(call, message, textResponse(200, 'ok'));
};

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new Refusal(apiError(RESTJSONErrorCodes.RequestBodyContainsInvalidJSON));
  }
}

/** The events of GitHub's that Discord shows. */
const GITHUB_EVENTS: ReadonlySet<string> = new Set([
  'check_run',
  'check_suite',
  'commit_comment',
  'create',
  'delete',
  'discussion',
  'discussion_comment',
  'fork',
  'issue_comment',
  'issues',
  'member',
  'public',
  'pull_request',
  'pull_request_review',
  'pull_request_review_comment',
  'push',
  'release',
  'watch',
]);

/** In which member of an event the thing is that it is about. */
const GITHUB_SUBJECTS = [
  'comment',
  'review',
  'pull_request',
  'issue',
  'discussion',
  'release',
  'forkee',
  'check_run',
  'check_suite',
] as const;

function githubEmbed(event: string, body: Fields): Fields {
  const repository = fieldsOf(body.repository);
  const sender = fieldsOf(body.sender);
  const subjects = GITHUB_SUBJECTS.map((name) => fieldsOf(body[name]));
  const about = (key: string): string | undefined =>
    subjects.map((subject) => text(subject[key])).find((one) => one !== undefined);
  const commits = objects(body.commits);
  const what = [event.replaceAll('_', ' '), text(body.action), about('title')];
  const place = text(repository.full_name) ?? 'repository';
  const lines = commits.map(({ id, message }) => {
    const [first = ''] = (text(message) ?? '').split('\n');
    return `\`${(text(id) ?? '').slice(0, 7)}\` ${first}`;
  });
  const name = text(sender.login);
  return defined({
    title: `[${place}] ${what.filter((one) => one !== undefined).join(' ')}`.slice(0, 256),
    url: about('html_url') ?? text(body.compare) ?? text(repository.html_url),
    description: (lines.length > 0 ? lines.join('\n') : about('body'))?.slice(0, 4_096),
    author: name && defined({ name, url: text(sender.html_url) }),
  });
}

const executeGithub: Endpoint = (call) => {
  webhookOf(call);
  const { value } = bodyOf(call);
  const event = header(call.request.headers, 'x-github-event') ?? '';
  if (!GITHUB_EVENTS.has(event)) return emptyResponse();
  const message = { username: 'GitHub', embeds: [githubEmbed(event, fieldsOf(value))] };
  return execute(call, message, emptyResponse());
};

export const COMPATIBLE_WEBHOOK_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'POST /webhooks/:webhook/:token/slack': executeSlack,
  'POST /webhooks/:webhook/:token/github': executeGithub,
};
