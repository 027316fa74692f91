import { Fault, invalid } from '../nodes/failure.js';

const MOST_RECIPIENTS = 50;

export function checkRecipients(to: string): void {
  if (/[\r\n]/.test(to))
    throw invalid(Fault.configInvalid, 'to: holds a line break; write addresses separated by commas.');
  if (to.split(',').length > MOST_RECIPIENTS)
    throw invalid(Fault.configInvalid, `to: names more than ${MOST_RECIPIENTS} addresses; split the message.`);
}
