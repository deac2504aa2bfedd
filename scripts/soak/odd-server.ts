import { createServer } from 'node:http2';
import { seededRandom } from '../../src/testing/index.js';
import { ODD_ANSWERS } from './odd-answers.js';

// A process of its own, which answers each call oddly: with HTTP/2 that Node's own library sends, and gRPC that no library
// would. It prints its port, and ends with its parent. It is no part of the soak's process: with this server and a plain grpc-js
// client in one process, Node 20.20.2 corrupts its heap (glibc: "corrupted size vs. prev_size") within a minute or two.
const random = seededRandom(Number(process.argv[2]));
const server = createServer();
const ignore = () => undefined; // the client has gone, or the session was destroyed
server.on('session', (session) => session.on('error', ignore));
server.on('sessionError', ignore);
server.on('stream', (stream) => {
  stream.on('error', ignore).resume();
  stream.on('end', () => {
    if (!stream.destroyed) ODD_ANSWERS[Math.floor(random() * ODD_ANSWERS.length)]?.(stream);
  });
});
server.listen(Number(process.argv[3]), '127.0.0.1', () => {
  const address = server.address();
  if (address !== null && typeof address === 'object') console.log(address.port);
});
process.stdin.on('end', () => process.exit()).resume();
