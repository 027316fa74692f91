import type { PlainKind } from './chain.js';
import type { GraphType } from './graph-configs.js';
import type { Json } from './values.js';

/** What each type is for, in words, with examples that a test reads by its schema. */

export interface About {
  readonly title: string;
  readonly description: string;
  /** Of `config`. */
  readonly examples: readonly Json[];
}

const about = (title: string, description: string, ...examples: readonly Json[]): About => ({
  title,
  description,
  examples: examples.length === 0 ? [{}] : examples,
});

/** Total over types: a type without a text does not compile. */
export const graphAbout: Readonly<Record<GraphType, About>> = {
  instruction_agent: about(
    'Agent',
    'Talks with the user of a conversation by its instructions, may call tools, and remembers. The root of a studio workflow; its id is mostly root_agent. When none of its edges matches it listens for the next message.',
    { instructions: 'Help with orders. Ask for the order number first.', greeting: 'Hello!', tools: ['find_order'] },
  ),
  'flow-agent': about(
    'Bound agent',
    'Runs a published agent as a run of its own, on the version that is published when this workflow is.',
    {
      agent_id: 'agt_123',
    },
  ),
  agent: about(
    'Agent step',
    'Either a bound agent (agent_id), or one turn of an agent that is written here (instructions).',
    { agent_id: 'agt_123' },
    { instructions: 'Sum up the conversation in two sentences.', memory: false },
  ),
  knowledge: about(
    'Knowledge',
    'Searches a knowledge collection; with synthesize the model answers from what was found.',
    {
      collection: 'handbook',
      top_k: 3,
      synthesize: true,
    },
  ),
  router: about(
    'Router',
    'Follows the first of its edges whose condition holds, in ascending priority; "default" takes the rest.',
  ),
  decision: about('Decision', 'The same as a router.'),
  tool: about('Tool', 'Calls a tool of the workspace.', {
    tool_name: 'find_order',
    args: { id: '{{ vars.order_id }}' },
  }),
  workflow: about(
    'Nested workflow',
    'The published version of another workflow, put in here when this one is published. It shares the variables; steps.ID are its own.',
    {
      workflow_id: 'wf_123',
    },
  ),
  end: about(
    'End',
    "Ends its path, and with terminate the whole run. The output is the run's output.",
    {
      output: { total: '{{ vars.total }}' },
    },
    { final_message: 'Goodbye, {{ vars.name }}.' },
  ),
  trigger: about('Trigger', 'Marks where it begins and hands its input on.'),
  start: about('Start', 'Marks where it begins; may hold the schema of the input.', {
    input_schema: { type: 'object', required: ['order_id'], properties: { order_id: { type: 'string' } } },
  }),
  set: about('Set variables', 'Gives variables new values; its output is an object of them.', {
    values: { total: { $expr: 'input.price * input.count' }, name: '{{ input.customer.name }}' },
  }),
  branch: about(
    'Branch',
    'Follows the first of its edges whose condition holds, in ascending priority; "default" takes the rest.',
  ),
  switch: about(
    'Switch',
    'Follows the edge whose label is the value of the expression; the edge labelled "default" takes the rest.',
    {
      on: 'input.country',
    },
  ),
  parallel: about('Parallel', 'Follows all of its edges at once; those with a condition only where it holds.'),
  join: about(
    'Join',
    'Waits for the paths that lead here: all that were taken, any one, or so many. Its output is an object by the ids of the nodes they came from.',
    { need: 'all' },
    { need: 2, cancel_rest: true },
  ),
  map: about(
    'Map',
    'Runs its body (the nodes whose within names it) once for each item, several at a time. Its output is the list of results in the order of the items.',
    {
      items: 'input.orders',
      entry: 'charge',
      concurrency: 5,
      on_item_error: 'continue',
    },
  ),
  loop: about(
    'Loop',
    'Runs its body (the nodes whose within names it) again and again while the expression holds. Its output is that of the last round.',
    {
      while: 'index < 10 && input.next != null',
      entry: 'fetch_page',
      max_iterations: 10,
    },
  ),
  subflow: about(
    'Subflow',
    'Starts a run of another definition and waits for its output, or goes on at once.',
    { definition: 'wf_123', input: { id: '{{ input.id }}' } },
    { definition: 'wf_123', version: 'ver_7', wait: false },
  ),
  respond: about('Respond', 'Answers the caller that waits for the run, and goes on.', {
    body: { accepted: true, id: '{{ run.id }}' },
  }),
  compensate: about(
    'Compensate',
    'Undoes what is finished and names a node that undoes it, newest first, and goes on.',
    { nodes: ['charge'] },
  ),
  cancel: about('Cancel', 'Withdraws whatever runs, waits or is due in the nodes it names.', { nodes: ['remind'] }),
  delay: about(
    'Delay',
    'Waits so long, or until the next time a cron expression fires in its zone.',
    { seconds: 3600 },
    { cron: '0 9 * * 1-5', timezone: 'Europe/Berlin' },
  ),
  until: about('Wait until', 'Waits until a time; one in the past passes at once.', { at: '{{ input.due_at }}' }),
  approval: about(
    'Approval',
    'Asks people for a decision and waits: for a quorum, with reminders, escalation and a form.',
    {
      prompt: 'Refund {{ input.amount }} to {{ input.customer }}?',
      audience: ['role:admin'],
      quorum: 2,
      forbid_own: true,
      timeout_seconds: 86_400,
    },
  ),
  wait_event: about(
    'Wait for an event',
    'Waits for an event by name and key, also one that came before; its output is the payload.',
    {
      name: 'payment.settled',
      key: '{{ input.payment_id }}',
      timeout_seconds: 3600,
    },
  ),
  listen: about(
    'Listen',
    'Waits for the next message of the user of a conversation; any other run ends its path here.',
    { greeting: 'How can I help?' },
  ),
  http: about('HTTP request', 'Calls an address. Its output is {status, headers, body}.', {
    method: 'POST',
    url: 'https://api.example.com/orders',
    headers: { authorization: 'Bearer {{secret:ORDERS_KEY}}' },
    body: { id: '{{ input.id }}' },
    outputs: { order_id: '$.data.id' },
  }),
  llm: about('Language model', 'Asks a language model once; with a schema the answer is JSON of that form.', {
    prompt: 'Which language is this? {{ text }}',
    schema: { type: 'object', required: ['language'], properties: { language: { type: 'string' } } },
  }),
  code: about(
    'Code',
    'Runs JavaScript that has no access to anything outside, within limits of time and memory. What it returns is the output.',
    {
      source: 'return { total: input.lines.reduce((sum, line) => sum + line.price, 0) }',
    },
  ),
  channel_send: about('Send to a channel', 'Sends a message by a channel: the log, or a webhook.', {
    channel: 'webhook',
    to: 'https://hooks.example.com/team',
    text: 'Order {{ input.id }} is paid.',
  }),
  email: about('E-mail', 'Sends a mail.', {
    to: '{{ input.email }}',
    subject: 'Your order',
    text: 'It is on its way.',
  }),
  webhook: about('Webhook', 'Posts signed JSON to an address.', {
    url: 'https://example.com/hook',
    secret: '{{secret:HOOK_KEY}}',
  }),
};

/** The kinds that only chains have. */
export const chainAbout: Readonly<Record<PlainKind, About>> = {
  trigger: about('Trigger', 'Marks where the chain begins.'),
  assistant: about('Assistant', 'Asks the language model once.', { instructions: 'Answer in one sentence.' }),
  agent: about('Agent', 'Asks the language model once, in the name of an agent.', {
    agent_slug: 'support',
    message: 'Sort this: {{ text }}',
  }),
  decide: about('Decide', 'Takes the first branch whose name occurs in the text of its input.', {
    branches: ['refund', 'spam'],
  }),
  webhook: about('Webhook', 'With a url it posts signed JSON there; without one signed webhooks start the chain.', {
    url: 'https://example.com/hook',
    secret: '{{secret:HOOK_KEY}}',
  }),
  schedule: about(
    'Schedule',
    'Waits, or as the first step of a live chain starts it.',
    { cron: '0 9 * * *', timezone: 'Europe/Berlin' },
    { delay_seconds: 90 },
  ),
  notify: about('Notify', 'Sends a message to the log, an e-mail address or a webhook.', {
    channel: 'email',
    to: 'ana@example.com',
    text: 'Done: {{ text }}',
  }),
  human: about('Human', 'Waits for the decision of a person.', {
    prompt: 'Refund this customer?',
    timeout_seconds: 3600,
  }),
};
