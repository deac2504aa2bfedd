import { describe, expect, it, vi } from 'vitest';
import { ask, METHOD, type Reply, servedGuard } from './support.js';

const TOKEN = 'correct-horse-battery';
const KEY = `${METHOD}#m`;

async function controlled(actions: { label: string; run: () => void | Promise<void> }[] = []) {
  const { guard, server } = await servedGuard({ controls: { token: TOKEN, actions } });
  const circuit = guard.circuit(METHOD, 'm');
  const origin = `http://127.0.0.1:${server.port}`;
  const trusted = { authorization: `Bearer ${TOKEN}`, origin };
  const post = (query: Record<string, string>, headers: Record<string, string> = trusted): Promise<Reply> =>
    ask(server, `/control?${new URLSearchParams(query)}`, { method: 'POST', headers });
  return { guard, server, circuit, origin, trusted, post };
}

describe('the controls', () => {
  it('are off by default', async () => {
    const { server } = await servedGuard();
    const headers = { authorization: `Bearer ${TOKEN}`, 'sec-fetch-site': 'same-origin' };
    expect((await ask(server, '/control?action=check', { method: 'POST', headers })).status).toBe(404);
  });

  it('isolate, release and set the mode', async () => {
    const { circuit, post } = await controlled();
    expect((await post({ action: 'isolate', circuit: KEY })).status).toBe(200);
    expect((await post({ action: 'isolate', circuit: KEY })).status).toBe(200);
    expect(circuit.isolated).toBe(1);
    expect((await post({ action: 'release', circuit: KEY })).text).toBe('released\n');
    expect(circuit.isolated).toBe(0);
    expect((await post({ action: 'release', circuit: KEY })).status).toBe(409);
    expect((await post({ action: 'mode', circuit: KEY, mode: 'observe' })).status).toBe(200);
    expect(circuit.mode).toBe('observe');
  });

  it('do not release what the program has isolated, and release their own when the page is closed', async () => {
    const { circuit, post, server } = await controlled();
    const handle = circuit.isolate();
    expect((await post({ action: 'release', circuit: KEY })).status).toBe(409);
    await post({ action: 'isolate', circuit: KEY });
    expect((await post({ action: 'release', circuit: KEY })).text).toBe(
      'released on this page; the program still isolates it\n',
    );
    handle.release();
    await post({ action: 'isolate', circuit: KEY });
    await server.close();
    expect(circuit.isolated).toBe(0);
  });

  it('need the token, the origin and the method', async () => {
    const { circuit, origin, post, server, trusted } = await controlled();
    const isolate = { action: 'isolate', circuit: KEY };
    const token = { authorization: `Bearer ${TOKEN}` };
    const refused: [Record<string, string>, number][] = [
      [{}, 403],
      [token, 403],
      [{ ...token, origin: 'http://evil.example' }, 403],
      [{ ...token, origin: 'null' }, 403],
      [{ ...token, origin: `http://127.0.0.1:${server.port + 1}` }, 403],
      [{ ...token, 'sec-fetch-site': 'cross-site' }, 403],
      [{ ...token, 'sec-fetch-site': 'same-site', origin }, 403],
      [{ ...token, 'sec-fetch-site': 'none' }, 403],
      [{ ...trusted, host: 'evil.example' }, 403],
      [{ origin }, 401],
      [{ origin, authorization: TOKEN }, 401],
      [{ origin, authorization: `Bearer ${TOKEN}x` }, 401],
      [{ origin, authorization: `Bearer ${TOKEN.slice(1)}` }, 401],
      [{ origin, authorization: `Basic ${TOKEN}` }, 401],
    ];
    for (const [headers, status] of refused) {
      expect([headers, (await post(isolate, headers)).status]).toEqual([headers, status]);
    }
    const query = new URLSearchParams({ ...isolate, token: TOKEN });
    for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
      const reply = await ask(server, `/control?${query}`, { method, headers: trusted });
      expect([method, reply.status, reply.headers.allow]).toEqual([method, 405, 'POST']);
    }
    expect(circuit.isolated).toBe(0);
    expect((await post(isolate, { ...token, 'sec-fetch-site': 'same-origin' })).status).toBe(200);
  });

  it('make no circuit, and name the expected arguments', async () => {
    const { guard, post } = await controlled();
    expect((await post({ action: 'isolate', circuit: '/a.B/C#nobody' })).status).toBe(404);
    expect((await post({ action: 'isolate', circuit: '__proto__' })).status).toBe(404);
    expect((await post({ action: 'isolate' })).status).toBe(404);
    expect((await post({ action: 'mode', circuit: KEY, mode: 'always' })).text).toContain(
      'enforce, observe, off',
    );
    expect((await post({ action: 'explode', circuit: KEY })).status).toBe(400);
    expect(guard.snapshots()).toHaveLength(1);
  });

  it('run the actions of the program, whose errors stay in the program', async () => {
    const warning = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const ran = vi.fn();
    const { guard, post } = await controlled([
      { label: 'works', run: ran },
      {
        label: 'fails',
        run: async () => {
          throw new Error('the secret of the program');
        },
      },
    ]);
    const told = vi.fn();
    guard.on('warning', told);
    expect((await post({ action: 'run', index: '0' })).status).toBe(200);
    expect(ran).toHaveBeenCalledOnce();
    const failed = await post({ action: 'run', index: '1' });
    expect([failed.status, failed.text]).toEqual([
      500,
      'the action failed; the program has reported the error\n',
    ]);
    expect(told.mock.calls).toMatchObject([
      [{ source: 'an action of the dashboard', error: new Error('the secret of the program'), count: 1 }],
    ]);
    for (const index of ['', '2', '-1', 'NaN', '0.5', 'constructor'])
      expect((await post({ action: 'run', index })).status).toBe(404);
    expect(String(warning.mock.calls[0]?.[0])).toContain('the secret of the program');
    warning.mockRestore();
  });
});
