import {
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Attributes,
  type Span,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import { BatchSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

import type { TracingTarget } from '../settings.js';

/** OpenTelemetry traces: a span costs nothing until `openTracing` began to send them. */

export interface Tracing {
  /** Sends a span that was not made here, such as that of a workflow. */
  readonly record: (span: FinishedSpan) => void;
  /** Sends what is left. */
  readonly stop: () => Promise<void>;
}

/** Ids in lower-case hexadecimal, times in epoch milliseconds. */
export interface FinishedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly flags: number;
  readonly name: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly error: string | null;
  readonly attributes: Attributes;
}

/** Undefined where no collector is configured. `name` is the process's, unless the settings have one. */
export function openTracing(target: TracingTarget | undefined, name: string): Tracing | undefined {
  return target === undefined ? undefined : startTracing(target, name);
}

function startTracing({ endpoint, headers, serviceName }: TracingTarget, name: string): Tracing {
  const resource = new Resource({ 'service.name': serviceName ?? name, 'service.namespace': 'keelson' });
  const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces`, headers: { ...headers } });
  const processor = new BatchSpanProcessor(exporter, { scheduledDelayMillis: 1_000 });
  const provider = new NodeTracerProvider({ resource, spanProcessors: [processor] });
  provider.register();
  return {
    record: (span) => processor.onEnd(readable(span, resource)),
    stop: async () => {
      await provider.shutdown();
      trace.disable();
      context.disable();
      propagation.disable();
    },
  };
}

function readable(span: FinishedSpan, resource: Resource): ReadableSpan {
  const { traceId, spanId, parentSpanId, flags: traceFlags, name, attributes, error } = span;
  const duration = Math.max(0, span.endedAt - span.startedAt);
  return {
    ...{ name, parentSpanId, attributes, resource, kind: SpanKind.INTERNAL },
    spanContext: () => ({ traceId, spanId, traceFlags }),
    startTime: hrTime(span.startedAt),
    endTime: hrTime(span.startedAt + duration),
    duration: hrTime(duration),
    status: error === null ? { code: SpanStatusCode.UNSET } : { code: SpanStatusCode.ERROR, message: error },
    ...{ links: [], events: [], ended: true },
    ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
    instrumentationLibrary: { name: 'keelson' },
  };
}

const hrTime = (ms: number): [number, number] => [Math.floor(ms / 1_000), Math.round((ms % 1_000) * 1_000_000)];

const tracer = () => trace.getTracer('keelson');

export interface SpanOf {
  readonly name: string;
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
}

/** Does the work inside a span of its own, below the one that is open. A failure is the span's too. */
export async function inSpan<T>(
  { name, kind = SpanKind.INTERNAL, attributes = {} }: SpanOf,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  return tracer().startActiveSpan(name, { kind, attributes }, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: kindOf(error) });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Messages of errors may quote what they were given, secrets too; their kinds do not. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error';
  return 'type' in error && typeof error.type === 'string' ? error.type : error.name;
}

/** Does the work below the span a request names in `traceparent`, where it names one. */
export const belowCaller = <T>(headers: Readonly<Record<string, unknown>>, work: () => T): T =>
  context.with(propagation.extract(context.active(), headers), work);

/** Of the open span, where somebody looks at traces. */
export function traceId(): string | null {
  const found = trace.getActiveSpan()?.spanContext();
  return found === undefined || (found.traceFlags & TraceFlags.SAMPLED) === 0 ? null : found.traceId;
}

export { SpanKind } from '@opentelemetry/api';
