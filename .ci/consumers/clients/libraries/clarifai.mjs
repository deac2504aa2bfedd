import { createRequire } from 'node:module';
import { credentials } from '@grpc/grpc-js';
import { defaultPrediction, lastGood, perKey, provenanceOf } from 'failsoft';

const require = createRequire(import.meta.url);
const { V2Client, V2Service } = require('clarifai-nodejs-grpc/proto/clarifai/api/service_grpc_pb');
const {
  MultiOutputResponse,
  PostModelOutputsRequest,
} = require('clarifai-nodejs-grpc/proto/clarifai/api/service_pb');
const {
  Concept,
  Data,
  Input,
  Output,
  Text,
} = require('clarifai-nodejs-grpc/proto/clarifai/api/resources_pb');

const outputs = (value) => {
  const data = new Data().setConceptsList([new Concept().setValue(value)]);
  return new MultiOutputResponse().setOutputsList([new Output().setData(data)]);
};
const textOf = (request) => request.getInputsList()[0].getData().getText().getRaw();
const requestOf = (value) => {
  const data = new Data().setText(new Text().setRaw(`${value}`));
  return new PostModelOutputsRequest().setModelId('m').setInputsList([new Input().setData(data)]);
};

export const library = {
  // A model that is as sure as the text says.
  services: [
    [V2Service, { postModelOutputs: ({ request }, done) => done(null, outputs(Number(textOf(request)))) }],
  ],
  faults: 'clarifai.api.V2',
  circuitKey: '/clarifai.api.V2/PostModelOutputs#m',
  guardOptions: { keyBy: perKey(({ request }) => request.getModelId()) },
  register: (fallbacks) => {
    fallbacks.register(V2Service.postModelOutputs, [lastGood(), defaultPrediction(outputs(-1))]);
  },
  connect: (address, guard) => {
    const client = new V2Client(address, credentials.createInsecure(), { interceptors: [guard.interceptor] });
    return {
      ask: (value) =>
        new Promise((resolve, reject) => {
          client.postModelOutputs(requestOf(value), (error, response) => {
            if (error) return reject(error);
            const [concept] = response.getOutputsList()[0].getData().getConceptsList();
            resolve({ answer: concept.getValue(), source: provenanceOf(response).source });
          });
        }),
      close: () => client.close(),
    };
  },
};
