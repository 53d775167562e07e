import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { ApiKeys, ChatClient, ConnectionError } from 'drun-sdk';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { KEY, TOKEN } from '../support/credentials.ts';
import { CHAT_METHODS, everyMethod } from '../support/every-method.ts';
import { rejectionOf } from '../support/failures.ts';
import { json } from '../support/network.ts';
import { closedPort } from '../support/sockets.ts';
import { retryAtOnce } from '../support/timing.ts';

type Fields = Readonly<Record<string, unknown>>;

const failed = (message: string, fields: Fields = {}): Error =>
  new TypeError('fetch failed', { cause: Object.assign(new Error(message), fields) });
const ofAddresses = (...errors: Fields[]): Error =>
  new TypeError('fetch failed', {
    cause: Object.assign(
      new AggregateError(errors.map((fields) => Object.assign(new Error('connect failed'), fields))),
      { code: errors[0]?.code },
    ),
  });
const connect = (code: string): Fields => ({ code, syscall: 'connect' });
const denoFailure = (why: string): [string, Error] => [
  `Deno: ${why}`,
  new TypeError(`error sending request for url (https://chat.d.run/): ${why}`),
];

/** Failures to connect that a retry may resolve. */
const CONNECT_FAILURES: [string, Error][] = [
  ...[
    'ECONNREFUSED',
    'ETIMEDOUT',
    'ENETUNREACH',
    'EHOSTUNREACH',
    'EACCES',
    'EPERM',
    'EADDRNOTAVAIL',
    'ECONNRESET',
    'EHOSTDOWN',
  ].map((code): [string, Error] => [
    `${code} on connect`,
    failed(`connect ${code} 10.0.0.1:443`, connect(code)),
  ]),
  ...['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA'].map((code): [string, Error] => [
    `${code} of the name`,
    failed(`getaddrinfo ${code} chat.d.run`, { code, syscall: 'getaddrinfo' }),
  ]),
  ["undici's connect timeout", failed('Connect Timeout Error', { code: 'UND_ERR_CONNECT_TIMEOUT' })],
  [
    'a TLS handshake that takes too long',
    failed('TLS handshake timeout', { code: 'ERR_TLS_HANDSHAKE_TIMEOUT' }),
  ],
  [
    'a connection that is closed during the TLS handshake',
    failed('Client network socket disconnected before secure TLS connection was established', {
      code: 'ECONNRESET',
      host: 'chat.d.run',
      port: 443,
    }),
  ],
  ['all addresses refused', ofAddresses(connect('ECONNREFUSED'), connect('ENETUNREACH'))],
  ['all addresses timed out', ofAddresses(connect('ETIMEDOUT'), connect('ETIMEDOUT'))],
  [
    'Bun: refused',
    Object.assign(new Error('Unable to connect. Is the computer able to access the url?'), {
      code: 'ConnectionRefused',
    }),
  ],
  [
    'Bun: no socket',
    Object.assign(new Error('Was there a typo in the url or port?'), { code: 'FailedToOpenSocket' }),
  ],
  ...[
    'client error (Connect): tcp connect error: Connection refused (os error 111)',
    'client error (Connect): tcp connect error: Cannot assign requested address (os error 99)',
    'client error (Connect): unexpected eof while tunneling',
    'client error (Connect): tunnel error: failed to create underlying connection',
  ].map(denoFailure),
  ...[
    'error trying to connect: dns error: failed to lookup address information: Temporary failure in name resolution',
    'error trying to connect: tcp connect error: Connection refused (os error 111)',
    'error trying to connect: Connection reset by peer (os error 104)',
  ].map(denoFailure),
  ...['ETIMEDOUT', 'EHOSTUNREACH'].map((code): [string, Error] => [
    `node-fetch: ${code}`,
    Object.assign(new Error(`request to https://chat.d.run/ failed, reason: connect ${code} 10.0.0.1:443`), {
      name: 'FetchError',
      type: 'system',
      code,
    }),
  ]),
  ...['CONNECTION_REFUSED', 'CONNECTION_TIMED_OUT', 'NAME_NOT_RESOLVED', 'ADDRESS_UNREACHABLE'].map(
    (code): [string, Error] => [`Electron: ${code}`, failed(`net::ERR_${code}`)],
  ),
  ['a proxy agent', failed('Proxy connection ended before receiving CONNECT response')],
  [
    'a tunnel that cannot be opened',
    failed('tunneling socket could not be established, cause=connect ECONNREFUSED', { code: 'ECONNRESET' }),
  ],
  [
    'a socket that is closed while it is opened',
    failed('Socket closed before the connection was established', {
      code: 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION',
    }),
  ],
  [
    'wrapped several times',
    new Error('a', { cause: new Error('b', { cause: failed('c', connect('ECONNREFUSED')) }) }),
  ],
];

const CERTIFICATES = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REVOKED',
  'CERT_UNTRUSTED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_CHAIN_TOO_LONG',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_GET_CRL',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'PATH_LENGTH_EXCEEDED',
  'HOSTNAME_MISMATCH',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_TLS_CERT_ALTNAME_FORMAT',
  // Node's code for a weak key or signature, among others.
  'UNSPECIFIED',
];
const HANDSHAKES = [
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_UNSUPPORTED_PROTOCOL',
  'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
  'ERR_SSL_TLSV1_UNRECOGNIZED_NAME',
  'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
  'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
  'ERR_SSL_DH_KEY_TOO_SMALL',
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
  'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
  'ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED',
  'ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY',
  'ERR_SSL_SSLV3_ALERT_ILLEGAL_PARAMETER',
  'ERR_SSL_NO_CIPHER_MATCH',
  'ERR_SSL_NO_SUITABLE_SIGNATURE_ALGORITHM',
];

/** Permanent failures to connect. */
const PERMANENT_CONNECT_FAILURES: [string, Error][] = [
  ...[...CERTIFICATES, ...HANDSHAKES].map((code): [string, Error] => [code, failed(code, { code })]),
  ...[403, 407, 502, 503].map((status): [string, Error] => [
    `a proxy that rejects CONNECT with ${status}`,
    failed(`Proxy response (${status}) !== 200 when HTTP Tunneling`, { code: 'UND_ERR_ABORTED' }),
  ]),
  ...['CLOSED', 'PRX_TLS', 'SOCKS5', 'SOCKS5_AUTH_REJECTED', 'SOCKS5_REPLY_5'].map(
    (name): [string, Error] => [
      `UND_ERR_${name}`,
      failed('The client is closed', { code: `UND_ERR_${name}` }),
    ],
  ),
  [
    "Node's own proxy support",
    failed('Failed to establish tunnel to chat.d.run:443 via http://proxy:3128: HTTP/1.1 403', {
      code: 'ERR_PROXY_TUNNEL',
    }),
  ],
  [
    'OpenSSL on an older Node',
    failed('write EPROTO 0A00010B:SSL routines:ssl3_get_record:wrong version number:../deps/openssl', {
      code: 'EPROTO',
      syscall: 'write',
    }),
  ],
  ...['ssl/tls alert handshake failure', 'tlsv1 alert protocol version', 'sslv3 alert bad certificate'].map(
    (reason): [string, Error] => [
      `node:http: ${reason}`,
      failed(
        `write EPROTO 04B7F0000:error:0A000410:SSL routines:ssl3_read_bytes:${reason}:../deps/rec.c:918:`,
        {
          code: 'EPROTO',
          syscall: 'write',
        },
      ),
    ],
  ),
  ...[
    'client error (Connect): unsuccessful tunnel',
    'client error (Connect): tunnel error: unsuccessful',
    'client error (Connect): proxy authentication required',
    'error trying to connect: unsuccessful tunnel',
  ].map(denoFailure),
  ...[403, 407].map((status): [string, Error] => [
    `Bun: a proxy that rejects CONNECT with ${status}`,
    Object.assign(new Error(`Proxy refused to open a tunnel: ${status} No`), {
      code: 'ERR_PROXY_TUNNEL',
      status,
    }),
  ]),
  [
    'Bun: TLS to a plain port',
    Object.assign(
      new TypeError('EPROTO: The TLS handshake failed. Does the server speak TLS on this port?'),
      {
        code: 'EPROTO',
      },
    ),
  ],
  ...['CERT_AUTHORITY_INVALID', 'SSL_PROTOCOL_ERROR', 'TUNNEL_CONNECTION_FAILED'].map(
    (code): [string, Error] => [`Electron: ${code}`, failed(`net::ERR_${code}`)],
  ),
  ['a tunnel agent', failed('tunneling socket could not be established, statusCode=407')],
  ['a port that fetch blocks', failed('bad port')],
  [
    'Deno: no permission',
    Object.assign(new Error('Requires net access to "chat.d.run:443", run again with the --allow-net flag'), {
      name: 'NotCapable',
    }),
  ],
  ['Node: no permission', failed('Access to this API has been restricted', { code: 'ERR_ACCESS_DENIED' })],
  [
    'an older Deno: a certificate',
    new TypeError(
      'error sending request for url (https://chat.d.run/): error trying to connect: invalid certificate: UnknownIssuer',
    ),
  ],
  [
    'Deno: a certificate',
    new TypeError(
      'error sending request for url (https://chat.d.run/): client error (Connect): invalid peer certificate: Expired',
    ),
  ],
];

/** Failures after which it is unknown whether the request arrived. */
const AMBIGUOUS: [string, Error][] = [
  ['a reset', failed('read ECONNRESET', { code: 'ECONNRESET', syscall: 'read' })],
  ['a timeout of the socket', failed('read ETIMEDOUT', { code: 'ETIMEDOUT', syscall: 'read' })],
  [
    'a host that becomes unreachable during a connection',
    failed('read EHOSTUNREACH', { code: 'EHOSTUNREACH', syscall: 'read' }),
  ],
  ['Electron: a reset', failed('net::ERR_CONNECTION_RESET')],
  ['a broken pipe', failed('write EPIPE', { code: 'EPIPE', syscall: 'write' })],
  ['a closed socket', failed('other side closed', { code: 'UND_ERR_SOCKET' })],
  ['an aborted request', failed('Request aborted', { code: 'UND_ERR_ABORTED' })],
  ['an invalid TLS record', failed('bad record mac', { code: 'ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC' })],
  [
    'a TLS decryption failure',
    failed('decryption failed', { code: 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC' }),
  ],
  [
    'a bad record of node:http',
    failed(
      'write EPROTO 04B7:error:0A000119:SSL routines:ssl3_get_record:bad record mac:../deps/rec.c:622:',
      {
        code: 'EPROTO',
        syscall: 'write',
      },
    ),
  ],
  [
    'a parser error',
    failed('Response does not match the HTTP/1.1 protocol', { code: 'HPE_INVALID_CONSTANT' }),
  ],
  [
    'one of several addresses that may have been reached',
    ofAddresses(connect('ECONNREFUSED'), { code: 'ECONNRESET', syscall: 'read' }),
  ],
  ['an unknown code', failed('strange', { code: 'ESTRANGE' })],
  ['no code', failed('strange')],
];

const create = (fetch: (url: string) => Promise<Response>): Promise<unknown> =>
  new ApiKeys({ accessToken: TOKEN, fetch, maxRetries: 1 }).create({ name: 'checkout' });

describe('create()', () => {
  it.each(CONNECT_FAILURES)(
    'is retried, and rejects with ConnectionError, if no connection was opened: %s',
    async (_, error) => {
      retryAtOnce();
      const fetch = vi.fn(() => Promise.reject(error));

      const rejection = await rejectionOf(ConnectionError, create(fetch));

      expect(rejection.host).toBe('console.d.run');
      expect(fetch).toHaveBeenCalledTimes(2);
    },
  );

  it.each(PERMANENT_CONNECT_FAILURES)(
    'is sent once, and rejects with ConnectionError, if no connection can be opened: %s',
    async (_, error) => {
      const fetch = vi.fn(() => Promise.reject(error));

      await rejectionOf(ConnectionError, create(fetch));

      expect(fetch).toHaveBeenCalledOnce();
    },
  );

  it.each(AMBIGUOUS)(
    'rejects with UnknownOutcomeError if the request may have arrived: %s',
    async (_, error) => {
      const creates: string[] = [];
      const fetch = async (url: string): Promise<Response> => {
        if (!url.endsWith('/apikeys')) return json({ items: [] });
        creates.push(url);
        throw error;
      };

      await expect(create(fetch)).rejects.toMatchObject({
        name: 'UnknownOutcomeError',
        cause: { name: 'ConnectionError' },
      });
      expect(creates).toHaveLength(1);
    },
  );
});

it.each(['Invalid gzip header', 'unexpected end of file', 'invalid stored block lengths'])(
  'create() rejects with UnknownOutcomeError if the body of a 200 is broken: %s',
  async (message) => {
    const broken = new ReadableStream({ pull: (controller) => controller.error(new TypeError(message)) });
    const fetch = async (url: string): Promise<Response> =>
      url.endsWith('/apikeys') ? new Response(broken) : json({ items: [] });

    await expect(create(fetch)).rejects.toMatchObject({
      name: 'UnknownOutcomeError',
      cause: { name: 'ConnectionError' },
    });
  },
);

describe('a call of the data plane', () => {
  const rows = (table: [string, Error][]) =>
    everyMethod(
      table.map(([name, error]) => [name, error] as const),
      CHAT_METHODS,
    );

  it.each(rows([...CONNECT_FAILURES.slice(0, 3), ...AMBIGUOUS]))(
    'retries %s after %s',
    async (_, __, error, { call }) => {
      retryAtOnce();
      const fetch = vi.fn(() => Promise.reject(error));

      await rejectionOf(ConnectionError, call({ fetch }));

      expect(fetch).toHaveBeenCalledTimes(3);
    },
  );

  it.each(rows(PERMANENT_CONNECT_FAILURES))('never retries %s after %s', async (_, __, error, { call }) => {
    const fetch = vi.fn(() => Promise.reject(error));

    await rejectionOf(ConnectionError, call({ fetch }));

    expect(fetch).toHaveBeenCalledOnce();
  });
});

/** Starts a server that responds to TLS handshakes in plain text. Returns its https URL. */
async function plainServer(text: string): Promise<string> {
  const server = createServer((socket) => socket.on('error', () => {}).end(text)).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('a real connection', () => {
  const connectTo = (baseUrl: string): Promise<ConnectionError> =>
    rejectionOf(
      ConnectionError,
      new ApiKeys({ accessToken: TOKEN, baseUrl, maxRetries: 0 }).create({ name: 'a' }),
    );

  it('that is refused is a failure to connect', async () => {
    const url = await closedPort();

    expect(await connectTo(url)).toMatchObject({
      host: new URL(url).host,
      cause: { code: 'ECONNREFUSED', syscall: 'connect' },
    });
  });

  it('with TLS to a plain-text port is a failure to connect', async () => {
    const error = await connectTo(await plainServer('HTTP/1.1 400 Bad Request\r\n\r\n'));

    // The message of OpenSSL ends with a line break.
    expect(error).toHaveProperty('message', expect.not.stringContaining('\n'));
  });

  it('that is closed during the TLS handshake is a failure to connect', async () => {
    await connectTo(await plainServer(''));
  });

  it('to a host that does not exist is a failure to connect', async () => {
    const error = await rejectionOf(
      ConnectionError,
      new ChatClient({ apiKey: KEY, baseUrl: 'https://does-not-exist.invalid', maxRetries: 0 }).models(),
    );

    expect(error.cause).toMatchObject({ syscall: 'getaddrinfo' });
  });
});
