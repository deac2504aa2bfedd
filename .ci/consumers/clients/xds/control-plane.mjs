import { fileURLToPath } from 'node:url';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { register } from '@grpc/grpc-js-xds';
import { loadSync } from '@grpc/proto-loader';

// The protos that grpc-js-xds has with it, loaded as it loads them.
const deps = new URL('../../deps/', import.meta.resolve('@grpc/grpc-js-xds'));
const includeDirs = ['envoy-api', 'xds', 'googleapis', 'protoc-gen-validate'].map((name) =>
  fileURLToPath(new URL(name, deps)),
);
const files = [
  'envoy/service/discovery/v3/ads.proto',
  'envoy/config/listener/v3/listener.proto',
  'envoy/config/route/v3/route.proto',
  'envoy/config/cluster/v3/cluster.proto',
  'envoy/config/endpoint/v3/endpoint.proto',
  'envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto',
  'envoy/extensions/filters/http/router/v3/router.proto',
];
const {
  'envoy.service.discovery.v3.AggregatedDiscoveryService': { StreamAggregatedResources: definition },
} = loadSync(files, {
  includeDirs,
  keepCase: true,
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
});

const ENDPOINTS = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';
const any = (type, fields) => ({ '@type': `type.googleapis.com/${type}`, ...fields });

/** What the control plane says of the service `model`: its listener, cluster and, last, the address of its server. */
function resources(address, maxRequests) {
  const [host, port] = address.split(':');
  const route = { match: { prefix: '' }, route: { cluster: 'models' } };
  return [
    any('envoy.config.listener.v3.Listener', {
      name: 'model',
      api_listener: {
        api_listener: any(
          'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
          {
            route_config: {
              name: 'route',
              virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }],
            },
            http_filters: [
              { name: 'router', typed_config: any('envoy.extensions.filters.http.router.v3.Router', {}) },
            ],
          },
        ),
      },
    }),
    any('envoy.config.cluster.v3.Cluster', {
      name: 'models',
      type: 'EDS',
      eds_cluster_config: { eds_config: { ads: {} } },
      lb_policy: 'ROUND_ROBIN',
      circuit_breakers: { thresholds: [{ priority: 'DEFAULT', max_requests: { value: maxRequests } }] },
    }),
    any('envoy.config.endpoint.v3.ClusterLoadAssignment', {
      cluster_name: 'models',
      endpoints: [
        {
          locality: { region: 'here' },
          load_balancing_weight: { value: 1 },
          lb_endpoints: [
            { endpoint: { address: { socket_address: { address: host, port_value: Number(port) } } } },
          ],
        },
      ],
    }),
  ];
}

/**
 * A control plane of one service, `xds:///model`, which answers what it is asked, takes acknowledgements, and tells its clients
 * when the service moves. One a process: grpc-js-xds reads its address once.
 */
export async function startControlPlane(address, { maxRequests = 1024 } = {}) {
  const server = new Server();
  let now = resources(address, maxRequests);
  let version = 1;
  const streams = new Set();
  const tell = (stream, type_url) => {
    const of = now.filter((each) => each['@type'] === type_url);
    stream.write({ version_info: `${version}`, nonce: `${version}`, type_url, resources: of });
  };
  const StreamAggregatedResources = (stream) => {
    streams.add(stream);
    stream.on('data', ({ type_url, response_nonce, error_detail }) => {
      if (error_detail) throw new Error(`${type_url}: ${error_detail.message}`);
      if (response_nonce === '') tell(stream, type_url);
    });
    stream.on('end', () => stream.end());
    stream.on('close', () => streams.delete(stream));
  };
  server.addService({ StreamAggregatedResources: definition }, { StreamAggregatedResources });
  const port = await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  process.env.GRPC_XDS_BOOTSTRAP_CONFIG = JSON.stringify({
    xds_servers: [{ server_uri: `127.0.0.1:${port}`, channel_creds: [{ type: 'insecure' }] }],
    node: { id: 'failsoft', locality: {} },
  });
  register();
  return {
    move: (to) => {
      version++;
      now = resources(to, maxRequests);
      for (const stream of streams) tell(stream, ENDPOINTS);
    },
    close: () => server.forceShutdown(),
  };
}
