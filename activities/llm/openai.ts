import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, streamText, type LanguageModel, type LanguageModelUsage } from 'ai';
import { Agent, fetch as undiciFetch, type RequestInit, type Response } from 'undici';
import type { Json } from '../../workflows/definition/values.js';
import { retryAfterMs } from '../egress/retry-after.js';
import { Fault, invalid, NodeFailure, outOfTime } from '../nodes/failure.js';
import { createRedactor } from '../nodes/redact.js';
import { excerptOf, EXCERPT_LENGTH, headerSafe } from '../nodes/text.js';
import { answerOf, messageOf, toolSet } from './openai-form.js';
import type { LlmCompletion, LlmPort, LlmRequest } from './port.js';

export interface OpenAiSettings {
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  readonly model?: string | undefined;
}

const PROVIDER = 'openai-compatible';

/** Answers to these may differ next time; every other 4xx is about the request itself. */
const isWorthRepeating = (status: number): boolean => [408, 409, 425, 429].includes(status) || status >= 500;

function pauseOf(headers: Record<string, string> | undefined): number | undefined {
  const milliseconds = headers?.['retry-after-ms'];
  return milliseconds === undefined
    ? retryAfterMs(headers?.['retry-after'])
    : retryAfterMs(String(Number(milliseconds) / 1_000));
}

function callFailure(error: APICallError, clean: (text: string) => string): NodeFailure {
  const status = error.statusCode;
  if (status === undefined)
    return new NodeFailure(Fault.modelFailed, 'The model endpoint could not be reached.', { retryable: true });
  if (status >= 200 && status < 300)
    return new NodeFailure(Fault.modelFailed, 'The model endpoint answered in a form that is not understood.', {
      retryable: true,
    });
  const retryable = isWorthRepeating(status);
  const said = excerptOf(clean(error.message), EXCERPT_LENGTH);
  return new NodeFailure(
    retryable ? Fault.modelFailed : Fault.modelRejected,
    `The model endpoint answered ${status}: ${said}`,
    {
      retryable,
      retryAfterMs: retryable ? pauseOf(error.responseHeaders) : undefined,
    },
  );
}

/** No cause is attached: the SDK's errors hold the whole request. */
function asFailure(error: unknown, signal: AbortSignal, clean: (text: string) => string): unknown {
  if (error instanceof NodeFailure) return error;
  if (signal.aborted) return outOfTime('The model');
  if (APICallError.isInstance(error)) return callFailure(error, clean);
  const said = excerptOf(clean(String(error)), EXCERPT_LENGTH);
  return new NodeFailure(Fault.modelFailed, `The model's answer could not be used: ${said}`, { retryable: true });
}

/** Undici's own fetch, bounded by the caller's signal alone: slow models answer after minutes. */
function patientFetch(): typeof fetch {
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  const send = (url: string, init?: RequestInit): Promise<Response> => undiciFetch(url, { ...init, dispatcher });
  return send as unknown as typeof fetch; // -- one web standard, declared twice: by undici and by Node's types
}

const nothing = (value: string | undefined): value is undefined | '' => value === undefined || value === '';

function modelOf(request: LlmRequest, fallback: string | undefined): string {
  const name = request.model ?? fallback;
  if (!nothing(name)) return name;
  const problem = 'model: this step names no model and there is no default; set it, or KEELSON_LLM_MODEL.';
  throw invalid(Fault.configInvalid, problem);
}

const jsonOnly = (schema: Json): string =>
  `Answer with JSON alone, without any words around it, that fits this JSON Schema:\n${JSON.stringify(schema)}`;

/** The SDK's form of a request: tools are described, never executed by it. */
function callOf(model: LanguageModel, request: LlmRequest) {
  const { system, schema, tools = [], temperature, maxTokens } = request;
  return {
    model,
    system: schema === undefined ? system : [system, jsonOnly(schema)].filter((part) => part !== '').join('\n\n'),
    messages: request.messages.map(messageOf),
    maxRetries: 0,
    abortSignal: request.signal,
    headers: { 'Idempotency-Key': headerSafe(request.idempotencyKey) },
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { maxOutputTokens: maxTokens }),
    ...(schema === undefined ? {} : { output: answerOf(schema) }),
    ...(tools.length === 0 ? {} : { tools: toolSet(tools) }),
  };
}

interface Answered {
  readonly text: string;
  readonly toolCalls: readonly { readonly toolCallId: string; readonly toolName: string; readonly input: unknown }[];
  readonly usage: LanguageModelUsage;
  readonly response: { readonly modelId: string };
}

async function whole(model: LanguageModel, request: LlmRequest): Promise<Answered> {
  return generateText(callOf(model, request));
}

/** Piece by piece. An error comes as a part of the stream, so it is thrown from there. */
async function streamed(model: LanguageModel, request: LlmRequest): Promise<Answered> {
  const stream = streamText({ ...callOf(model, request), onError: () => undefined });
  for await (const part of stream.fullStream) {
    if (part.type === 'text-delta') request.onText?.(part.text);
    if (part.type === 'error') throw part.error;
    if (part.type === 'abort') throw new Error('the request was given up');
  }
  const [text, toolCalls, usage, response] = await Promise.all([
    stream.text,
    stream.toolCalls,
    stream.usage,
    stream.response,
  ]);
  return { text, toolCalls, usage, response };
}

async function ask(model: LanguageModel, request: LlmRequest): Promise<LlmCompletion> {
  const answered = await (request.onText === undefined ? whole : streamed)(model, request);
  const { text, usage, response } = answered;
  // -- reason: the SDK read them as JSON
  const toolCalls = answered.toolCalls.map(({ toolCallId, toolName, input }) => ({
    id: toolCallId,
    name: toolName,
    args: (input ?? {}) as Json,
  }));
  if (text === '' && toolCalls.length === 0)
    throw new NodeFailure(Fault.modelFailed, 'The model answered without text.', { retryable: true });
  return {
    text,
    toolCalls,
    model: response.modelId,
    provider: PROVIDER,
    usage: { input_tokens: usage.inputTokens ?? 0, output_tokens: usage.outputTokens ?? 0 },
  };
}

/** The operator's own endpoint, so no address is refused here; a local model server is a common case. */
export function createOpenAiProvider({ baseUrl, apiKey, model }: OpenAiSettings): LlmPort {
  const key = nothing(apiKey) ? {} : { apiKey };
  const provider = createOpenAICompatible({
    name: PROVIDER,
    baseURL: baseUrl,
    fetch: patientFetch(),
    includeUsage: true,
    supportsStructuredOutputs: true,
    ...key,
  });
  const { redactText } = createRedactor(nothing(apiKey) ? [] : [['KEELSON_LLM_API_KEY', apiKey]]);
  return {
    complete: async (request) => {
      try {
        return await ask(provider(modelOf(request, model)), request);
      } catch (error) {
        throw asFailure(error, request.signal, redactText);
      }
    },
  };
}
