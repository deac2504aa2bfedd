import { status } from '@grpc/grpc-js';
import { type CallScript, type ClientStep, KINDS, type ServerStep } from './call-script.js';

const CODES = Object.values(status).filter((code): code is status => typeof code === 'number' && code !== 0);

/**
 * Makes a random call that shows its caller the same however fast either side is: wherever two things could race, one
 * waits for the other.
 * @param random uniform in [0, 1)
 */
export function randomScript(random: () => number): CallScript {
  const upTo = (limit: number) => Math.floor(random() * limit);
  const chance = (share: number) => random() < share;
  const pick = <T>(choices: readonly T[]): T => {
    const choice = choices[upTo(choices.length)];
    if (choice === undefined) throw new Error('nothing to pick from');
    return choice;
  };
  const text = () => (chance(0.02) ? 'long '.repeat(20_000) : `${pick(['m1', 'm2', 'm3'])}-${upTo(1e6)}`);

  const kind = pick(KINDS);
  const streamsRequest = kind === 'clientStream' || kind === 'bidi';
  const streamsResponse = kind === 'serverStream' || kind === 'bidi';
  const client: ClientStep[] = [];
  const server: ServerStep[] = [];
  const pause = (steps: (ClientStep | ServerStep)[]) => {
    if (chance(0.3)) steps.push({ do: 'turns', count: 1 + upTo(4) });
  };
  let sent = 0;
  let given = 0;
  let ended = false;
  const clientSpeaks = () => {
    pause(client);
    for (let left = 1 + upTo(4); left > 0; left--) {
      client.push({ do: 'write', text: text() });
      sent++;
      if (chance(0.2)) pause(client);
    }
    server.push({ do: 'await', messages: sent });
    pause(server);
  };
  const serverSpeaks = () => {
    pause(server);
    for (let left = 1 + upTo(4); left > 0; left--) {
      server.push({ do: 'write', text: text() });
      given++;
      if (chance(0.2)) pause(server);
    }
    client.push({ do: 'await', event: 'data', count: given });
    pause(client);
  };
  const clientEnds = () => {
    if (!streamsRequest || ended) return;
    ended = true;
    pause(client);
    client.push({ do: 'end' });
    server.push({ do: 'await-end' });
  };

  const request = text();
  if (chance(0.06)) {
    if (streamsRequest && chance(0.5)) client.push({ do: 'write', text: text() });
    client.push({ do: 'cancel' });
    return { kind, request, client, server };
  }
  if (chance(0.06)) {
    if (streamsRequest) client.push({ do: 'write', text: text() }, { do: 'end' });
    return { kind, request, client, server, deadlineMs: -1 - upTo(10_000) };
  }
  if (streamsRequest && !streamsResponse && chance(0.15)) {
    client.push({ do: 'pipe', texts: [text(), text(), text()] });
    server.push({ do: 'await-end' });
    ended = true;
  }
  if (chance(0.3)) server.push({ do: 'metadata', value: `early-${upTo(100)}` });
  for (let rounds = upTo(4); rounds > 0; rounds--) {
    if (streamsRequest && !ended && chance(0.5)) clientSpeaks();
    if (streamsResponse && chance(0.5)) serverSpeaks();
    if (chance(0.2)) clientEnds();
  }
  const trailer = chance(0.5) ? `trailer-${upTo(100)}` : undefined;
  const end = random();
  if (end < 0.45) {
    if (chance(0.8)) clientEnds();
    server.push({ do: 'end', text: text(), ...(trailer !== undefined && { trailer }) });
  } else if (end < 0.8) {
    if (chance(0.5)) clientEnds();
    client.push({ do: 'tell' });
    server.push({ do: 'await-told' });
    const details = `scripted ${upTo(100)}`;
    server.push({ do: 'fail', code: pick(CODES), details, ...(trailer !== undefined && { trailer }) });
  } else {
    if (chance(0.5)) clientEnds();
    // The mark would overtake headers that the caller has not waited for.
    if (given === 0 && server[0]?.do === 'metadata') server.shift();
    server.push({ do: 'mark' });
    client.push({ do: 'await-mark' }, end < 0.93 ? { do: 'cancel' } : { do: 'drop' });
  }
  const deadline = chance(0.3) ? { deadlineMs: 60_000 + upTo(1e9) } : {};
  return { kind, request, client, server, ...deadline };
}
