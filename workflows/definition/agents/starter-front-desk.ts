import type { StarterAgent, Starters, StarterTool } from './starters.js';

/** A receptionist hands callers to the booking desk or to billing; a farewell ends the call, or billing does. */

const receptionist: StarterAgent = {
  name: 'receptionist',
  display_name: 'Receptionist',
  description: 'Welcomes callers and finds out what they need.',
  config: {
    prompt: {
      system: [
        'You are the receptionist of {{ company }}.',
        'Find out who is calling and whether they want an appointment or have a question about an invoice.',
        'Keep the name with note_caller as soon as you hear it.',
        'Hand over to booking for appointments and to billing for invoices and payments.',
        'You are on the phone: one or two short sentences at a time, one question at a time, no lists.',
      ].join('\n'),
      greeting: 'Hello{% if user.name %} {{ user.name }}{% endif %}, this is {{ company }}. How may I help you?',
      variables: [{ name: 'company', default: 'our practice' }],
    },
    tools: ['note_caller'],
    handoffs: [{ target_agent: 'booking' }, { target_agent: 'billing' }],
    session: { auto_disconnect_timeout: 600 },
  },
};

const booking: StarterAgent = {
  name: 'booking',
  display_name: 'Booking desk',
  description: 'Makes and changes appointments.',
  config: {
    prompt: {
      system: [
        'You make appointments for {{ context.caller_name | default: "the caller" }}.',
        'Agree on a day and a time between 9:00 and 17:00, Monday to Friday, and on what it is about.',
        'Read the day and time back. Only when the caller has confirmed them, keep them with save_appointment.',
        'Then the farewell takes over. Never promise a time that you have not saved.',
      ].join('\n'),
      greeting: 'You have reached the booking desk. Which day would suit you?',
    },
    llm: { temperature: 0.3 },
    tools: ['save_appointment'],
    handoffs: [{ target_agent: 'farewell', conditions: ['flags.booked'] }],
    session: { auto_disconnect_timeout: 600 },
  },
};

const billing: StarterAgent = {
  name: 'billing',
  display_name: 'Billing',
  description: 'Takes questions about invoices and payments.',
  config: {
    prompt: {
      system: [
        'You take questions about invoices from {{ context.caller_name | default: "the caller" }}.',
        'Ask for the number of the invoice and what is wrong with it, and keep both with open_dispute.',
        'You cannot change an invoice or see payments: say that a colleague answers in writing within two working days.',
        'When the caller has nothing else, hand over to farewell, or end the call if they are in a hurry.',
      ].join('\n'),
    },
    llm: { temperature: 0.3 },
    tools: ['open_dispute'],
    handoffs: [{ target_agent: 'farewell' }],
    session: { auto_disconnect_timeout: 600 },
  },
};

const farewell: StarterAgent = {
  name: 'farewell',
  display_name: 'Farewell',
  description: 'Sums up what was agreed and says goodbye.',
  config: {
    prompt: {
      system: [
        'You close the call.',
        '{% if context.appointment %}An appointment was made for {{ context.appointment.day }} at {{ context.appointment.time }}.{% endif %}',
        '{% if context.dispute %}A question about invoice {{ context.dispute.invoice }} was written down.{% endif %}',
        'Sum up what was agreed in one sentence, ask whether that is all, thank the caller and end the call.',
      ].join('\n'),
    },
    session: { auto_disconnect_timeout: 300 },
  },
};

const noteCaller: StarterTool = {
  name: 'note_caller',
  description: 'Keeps the name of the caller for everybody in this call.',
  config: {
    parameters: [{ name: 'name', type: 'string', required: true, description: 'First and last name' }],
    actions: [
      { type: 'context.set', key: 'caller_name', value: 'params.name' },
      { type: 'respond', message: 'Thank you, {{ params.name }}.' },
    ],
  },
};

const saveAppointment: StarterTool = {
  name: 'save_appointment',
  description: 'Keeps an appointment that the caller has confirmed.',
  config: {
    parameters: [
      { name: 'day', type: 'string', required: true, description: 'Date, as YYYY-MM-DD' },
      { name: 'time', type: 'string', required: true, description: 'As HH:MM' },
      { name: 'topic', type: 'string', description: 'What it is about', default: 'not said' },
    ],
    actions: [
      {
        type: 'context.set',
        key: 'appointment',
        value: { day: '{{ params.day }}', time: '{{ params.time }}', topic: '{{ params.topic }}' },
      },
      { type: 'flag.set', flag: 'booked' },
    ],
    on_success: [{ type: 'respond', message: 'Booked for {{ params.day }} at {{ params.time }}.' }],
    on_failure: [{ type: 'respond', message: 'That could not be saved. Please ask for the day and time again.' }],
  },
};

const openDispute: StarterTool = {
  name: 'open_dispute',
  description: 'Writes down a question about an invoice.',
  config: {
    parameters: [
      { name: 'invoice', type: 'string', required: true, description: 'Number of the invoice' },
      { name: 'question', type: 'string', required: true, description: 'What the caller wants to know' },
    ],
    actions: [
      {
        type: 'context.set',
        key: 'dispute',
        value: { invoice: '{{ params.invoice }}', question: '{{ params.question }}' },
      },
      { type: 'flag.set', flag: 'disputed' },
      { type: 'respond', message: 'Your question about invoice {{ params.invoice }} is written down.' },
    ],
  },
};

export const frontDesk: Starters = {
  agents: [receptionist, booking, billing, farewell],
  tools: [noteCaller, saveAppointment, openDispute],
  workflows: [
    {
      kind: 'agent_dag',
      slug: 'front-desk',
      name: 'Front desk',
      description: 'A receptionist who passes callers on to booking or billing',
      document: {
        nodes: [
          { id: 'receptionist', agent_name: 'receptionist', is_entry: true, position: { x: 0, y: 120 } },
          { id: 'booking', agent_name: 'booking', position: { x: 320, y: 0 } },
          { id: 'billing', agent_name: 'billing', is_exit: true, position: { x: 320, y: 240 } },
          { id: 'farewell', agent_name: 'farewell', is_exit: true, position: { x: 640, y: 120 } },
        ],
        connections: [
          { source_id: 'receptionist', target_id: 'booking' },
          { source_id: 'receptionist', target_id: 'billing' },
          { source_id: 'booking', target_id: 'farewell' },
          { source_id: 'billing', target_id: 'farewell' },
        ],
        shared_context: ['caller_name', 'appointment', 'dispute'],
      },
    },
  ],
};
