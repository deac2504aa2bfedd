import { networkInterfaces } from 'node:os';

const { pid, platform } = process;

/** Only Linux has every address of a loopback network without being told, and a sandbox may narrow the network down. */
const hasAll =
  platform === 'linux' &&
  Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address, netmask }) => address === '127.0.0.1' && netmask === '255.0.0.0'),
  );

/**
 * A loopback address of this process alone, where the machine has such. On 127.0.0.1 a port that was closed may be anybody's
 * before it is bound again, even the local end of somebody's connection; so a server that is to come back at its port listens
 * here.
 */
export const OWN_HOST = hasAll
  ? `127.${64 + ((pid >> 16) & 63)}.${(pid >> 8) & 255}.${pid & 255}`
  : '127.0.0.1';
