import { OpenTelemetryActivityInboundInterceptor } from '@temporalio/interceptors-opentelemetry';
import type { ActivityInterceptorsFactory, InjectedSinks } from '@temporalio/worker';
import type { Tracing } from '../db/telemetry/tracing.js';
import type { TraceSinks } from '../workflows/trace.js';

/** An activity's span hangs below that of the run, or of whoever spoke to it last. */
export const traceActivities: ActivityInterceptorsFactory = (context) => ({
  inbound: new OpenTelemetryActivityInboundInterceptor(context),
});

/** Takes the spans of workflows out of their sandbox; a replay tells of none. */
export const traceSinks = (tracing: Tracing | undefined): InjectedSinks<TraceSinks> => ({
  trace: {
    ended: {
      fn: ({ workflowId, runId, workflowType }, span) =>
        tracing?.record({
          ...span,
          attributes: { temporalWorkflowId: workflowId, run_id: runId, workflow_type: workflowType },
        }),
      callDuringReplay: false,
    },
  },
});
