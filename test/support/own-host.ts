const { pid, platform } = process;

/**
 * A loopback address of this process alone. On 127.0.0.1 a port that was closed may be anybody's before it is bound again,
 * even the local end of somebody's connection; so a server that is to come back at its port listens here. Only Linux has all
 * of 127.0.0.0/8 without being told.
 */
export const OWN_HOST =
  platform === 'linux' ? `127.${64 + ((pid >> 16) & 63)}.${(pid >> 8) & 255}.${pid & 255}` : '127.0.0.1';
