import ipaddr from 'ipaddr.js';

/** One caller owns a whole IPv6 /64, so that is what is counted. */
export function networkOf(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip;
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return address.toString();
  return address.toNormalizedString().split(':').slice(0, 4).join(':');
}

/** Enough of an address to recognise one's own: `203.0.113.*`, or the first half of an IPv6 address. */
export function maskedIp(ip: string | null): string | null {
  if (ip === null || !ipaddr.isValid(ip)) return null;
  const address = ipaddr.process(ip);
  if (address.kind() === 'ipv4') return address.toString().replace(/\d+$/, '*');
  return `${address.toNormalizedString().split(':').slice(0, 3).join(':')}:*`;
}

/** This machine itself. */
export const isLoopback = (ip: string): boolean => ipaddr.isValid(ip) && ipaddr.process(ip).range() === 'loopback';
