/**
 * Loaded once into the sandbox, before any run. What is imported here is pure and shared by all runs; the rest is
 * evaluated anew for each of them.
 */
import './contract/failures.js';
import './contract/ids.js';
import './contract/queues.js';
import './contract/timeouts.js';
import './definition/plan.js';
import './definition/values.js';
import './definition/expressions.js';
import './engine/frames.js';
import './engine/graph.js';
import './engine/joins.js';
import './engine/records.js';
import './engine/reduce.js';
import './engine/rounds.js';
import './engine/segments.js';
import './engine/state.js';
import './engine/tokens.js';

/**
 * The SDK takes and formats a stack trace for every promise a run makes, which costs more than all the rest of the
 * interpreter. Here a trace shows the interpreter and never the user's plan, so it is not taken.
 */
// -- reason: V8's own property, which the language's types do not know
(Error as { stackTraceLimit?: number }).stackTraceLimit = 0;
