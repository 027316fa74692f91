/** What tests look at in a reply: the envelope where there is one, and whatever else came. */
export interface AnyBody {
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly details: readonly { readonly field: string; readonly message: string }[];
  };
  readonly detail?: unknown;
  readonly [key: string]: unknown;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as JSON; empty when it is none. */
  readonly body: AnyBody;
}

/** One request over a real socket. */
export async function send(url: string, init: RequestInit = {}): Promise<Answered> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false;
  // -- reason: a test looks into what came and fails when it is something else
  const body = (isJson && text !== '' ? JSON.parse(text) : {}) as AnyBody;
  return { status: response.status, headers: response.headers, text, body };
}

/** What answers of calls made side by side say, whichever came first. */
export const statusesOf = (answers: readonly Answered[]): readonly number[] =>
  answers.map(({ status }) => status).toSorted((a, b) => a - b);
