import type { RunRef } from '../../workflows/contract/run.js';

/** What a step shows while it runs: words of a model as they come, lines that user code prints, what an agent does. */
export type NodeEvent =
  | { readonly type: 'token'; readonly text: string }
  | { readonly type: 'log'; readonly lines: readonly string[]; readonly level?: string }
  | LifecycleEvent;

export interface LifecycleEvent {
  readonly type: 'lifecycle';
  readonly event: 'agent_start' | 'agent_end' | 'handoff' | 'tool_start' | 'tool_end' | 'llm_start' | 'llm_end';
  readonly agent?: string;
  readonly tool?: string;
  readonly tool_call_id?: string;
  /** The agent that takes over. */
  readonly target?: string;
}

type Shown = Readonly<Record<string, string | number | readonly string[]>>;

export interface WrittenEvent {
  readonly type: string;
  readonly data: Shown;
}

export interface EventSink {
  /** Writes them in their order. */
  readonly append: (run: RunRef, events: readonly WrittenEvent[]) => Promise<void>;
  readonly warn: (fields: object, message: string) => void;
}

export interface EventSource {
  readonly run: RunRef;
  readonly key: string;
  readonly nodeId: string;
  readonly attempt: number;
}

export interface NodeEvents {
  readonly emit: (event: NodeEvent) => void;
  /** Resolves when everything emitted is written. */
  readonly flush: () => Promise<void>;
}

const TOGETHER_MS = 10;
const GATHER_MS = 80;
const GATHER_CHARACTERS = 2_048;

/** Writes what a step shows, in its order; what comes at about the same time is written together. Never fails a step. */
export function createNodeEvents(sink: EventSink, { run, key, nodeId, attempt }: EventSource): NodeEvents {
  const place = { key, node_id: nodeId, attempt };
  let written = Promise.resolve();
  let pending: WrittenEvent[] = [];
  let timer: NodeJS.Timeout | null = null;
  const writeAll = async (): Promise<void> => {
    const events = pending;
    pending = [];
    if (events.length === 0) return;
    await sink.append(run, events).catch((error: unknown) => {
      sink.warn({ ...run, key, reason: String(error) }, 'an event of a step was not written');
    });
  };
  const begin = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    written = written.then(writeAll);
  };
  const write = (type: string, shown: Shown): void => {
    pending.push({ type, data: { ...place, ...shown } });
    timer ??= setTimeout(begin, TOGETHER_MS);
  };
  const words = createGatherer((index, text) => write('token', { index, text }));
  return {
    emit: ({ type, ...event }) => {
      if ('text' in event) return words.add(event.text);
      // what was said before it stands before it
      if (type === 'lifecycle') words.flush();
      write(type, event);
    },
    flush: () => {
      words.flush();
      begin();
      return written;
    },
  };
}

/** Gathers words for a moment, so that a fast model costs a few rows and not hundreds. */
function createGatherer(write: (index: number, text: string) => void) {
  let text = '';
  let index = 0;
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (text === '') return;
    // half of a surrogate pair waits for its other half
    const whole = /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text;
    text = text.slice(whole.length);
    if (whole === '') return;
    write(index, whole.toWellFormed().replaceAll('\0', '\uFFFD'));
    index += 1;
  };
  const add = (more: string): void => {
    text += more;
    if (text.length >= GATHER_CHARACTERS) flush();
    else timer ??= setTimeout(flush, GATHER_MS);
  };
  return { add, flush };
}
