import type { ServerResponse } from 'node:http';
import { startHttpPeer, type HttpPeer, type RecordedRequest } from './peers.js';

/** What a scripted model says in one answer. */
export interface Said {
  readonly text?: string;
  readonly calls?: readonly { readonly name: string; readonly args: string }[];
}

export interface ChatRequest {
  readonly model: string;
  readonly stream?: boolean;
  readonly messages: readonly { readonly role: string; readonly content: unknown; readonly tool_calls?: unknown }[];
  readonly tools?: readonly { readonly function: { readonly name: string; readonly parameters: unknown } }[];
  readonly response_format?: unknown;
  readonly temperature?: number;
  readonly max_tokens?: number;
}

export interface ModelPeer extends HttpPeer {
  readonly asked: () => readonly ChatRequest[];
}

const USAGE = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };

/** An OpenAI-compatible endpoint, streaming or not; `say` answers each request, or breaks off by itself and gives null. */
export async function startModelPeer(
  say: (request: ChatRequest, count: number, response: ServerResponse) => Said | null,
): Promise<ModelPeer> {
  const read = ({ body }: RecordedRequest): ChatRequest => JSON.parse(body) as ChatRequest; // -- the SDK under test writes it
  const peer = await startHttpPeer((response, request, count) => {
    const asked = read(request);
    const said = say(asked, count, response);
    if (said === null) return;
    if (asked.stream === true) stream(response, said);
    else response.setHeader('content-type', 'application/json').end(JSON.stringify(whole(said)));
  });
  return { ...peer, asked: () => peer.requests.map(read) };
}

const callsOf = ({ calls = [] }: Said) =>
  calls.map(({ name, args }, index) => ({
    index,
    id: `call_${index + 1}`,
    type: 'function',
    function: { name, arguments: args },
  }));

function whole(said: Said): object {
  const message = { role: 'assistant', content: said.text ?? null, tool_calls: said.calls && callsOf(said) };
  return {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'm-1',
    choices: [{ index: 0, message, finish_reason: 'stop' }],
    usage: USAGE,
  };
}

function stream(response: ServerResponse, said: Said): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const chunk = (delta: object, more: object = {}): void => {
    const choices = [{ index: 0, delta, finish_reason: null, ...more }];
    response.write(
      `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm-1', choices })}\n\n`,
    );
  };
  chunk({ role: 'assistant' });
  for (const word of (said.text ?? '').split(/(?<= )/)) if (word !== '') chunk({ content: word });
  if (said.calls !== undefined) chunk({ tool_calls: callsOf(said) });
  chunk({}, { finish_reason: said.calls === undefined ? 'stop' : 'tool_calls' });
  response.write(
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm-1', choices: [], usage: USAGE })}\n\n`,
  );
  response.end('data: [DONE]\n\n');
}
