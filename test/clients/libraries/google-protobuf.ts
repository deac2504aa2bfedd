import { createRequire } from 'node:module';
import { credentials, makeGenericClientConstructor, type ServiceError } from '@grpc/grpc-js';
import { defaultPrediction, lastGood, provenanceOf } from 'failsoft';
import { type Library, MODEL_KEY } from '../library.js';

// Classes over the real runtime of google-protobuf, as protoc's JavaScript generator (grpc-tools) writes them: getters and
// setters over an array, and no property. Only the fields that the story needs.
const jspb = createRequire(import.meta.url)('google-protobuf');

class Message extends jspb.Message {
  constructor(data: unknown, repeated: readonly number[]) {
    super();
    jspb.Message.initialize(this, data, 0, -1, repeated, null);
  }
}

class Contents extends Message {
  static readonly fields = [6];
  constructor(data?: unknown) {
    super(data, Contents.fields);
  }
  getFp32ContentsList(): number[] {
    return jspb.Message.getRepeatedFloatingPointField(this, 6);
  }
  setFp32ContentsList(values: readonly number[]): this {
    return jspb.Message.setField(this, 6, values);
  }
  static write(message: Contents, writer: Writer): void {
    writer.writePackedFloat(6, message.getFp32ContentsList());
  }
  static read(message: Contents, reader: Reader): Contents {
    while (reader.nextField() && !reader.isEndGroup()) {
      if (reader.getFieldNumber() === 6) {
        const values: number[] = message.getFp32ContentsList();
        reader.readPackableFloatInto(values);
        message.setFp32ContentsList(values);
      } else reader.skipField();
    }
    return message;
  }
}

/** An input and an output have the same fields. */
class Tensor extends Message {
  static readonly fields = [3];
  constructor(data?: unknown) {
    super(data, Tensor.fields);
  }
  getContents(): Contents | undefined {
    return jspb.Message.getWrapperField(this, Contents, 5) ?? undefined;
  }
  static of(name: string, value: number): Tensor {
    const tensor = new Tensor();
    jspb.Message.setProto3StringField(tensor, 1, name);
    jspb.Message.setProto3StringField(tensor, 2, 'FP32');
    jspb.Message.setField(tensor, 3, [1]);
    jspb.Message.setWrapperField(tensor, 5, new Contents().setFp32ContentsList([value]));
    return tensor;
  }
  static write(message: Tensor, writer: Writer): void {
    writer.writeString(1, jspb.Message.getFieldWithDefault(message, 1, ''));
    writer.writeString(2, jspb.Message.getFieldWithDefault(message, 2, ''));
    writer.writePackedInt64(3, jspb.Message.getRepeatedField(message, 3));
    writer.writeMessage(5, message.getContents(), Contents.write);
  }
  static read(message: Tensor, reader: Reader): Tensor {
    while (reader.nextField() && !reader.isEndGroup()) {
      const field = reader.getFieldNumber();
      if (field === 1 || field === 2) jspb.Message.setProto3StringField(message, field, reader.readString());
      else if (field === 5) {
        const contents = new Contents();
        reader.readMessage(contents, Contents.read);
        jspb.Message.setWrapperField(message, 5, contents);
      } else reader.skipField();
    }
    return message;
  }
}

/** ModelInferRequest and ModelInferResponse: the same fields, as far as the story goes. */
class Infer extends Message {
  static readonly fields = [5, 6];
  constructor(data?: unknown) {
    super(data, Infer.fields);
  }
  getModelName(): string {
    return jspb.Message.getFieldWithDefault(this, 1, '');
  }
  getOutputsList(): Tensor[] {
    return jspb.Message.getRepeatedWrapperField(this, Tensor, 5);
  }
  static of(model: string, tensor: Tensor): Infer {
    const message = new Infer();
    jspb.Message.setProto3StringField(message, 1, model);
    jspb.Message.setRepeatedWrapperField(message, 5, [tensor]);
    return message;
  }
  serializeBinary(): Uint8Array {
    const writer: Writer = new jspb.BinaryWriter();
    writer.writeString(1, this.getModelName());
    writer.writeRepeatedMessage(5, this.getOutputsList(), Tensor.write);
    return writer.getResultBuffer();
  }
  static deserializeBinary(bytes: Uint8Array): Infer {
    const reader: Reader = new jspb.BinaryReader(bytes);
    const message = new Infer();
    while (reader.nextField() && !reader.isEndGroup()) {
      const field = reader.getFieldNumber();
      if (field === 1) jspb.Message.setProto3StringField(message, 1, reader.readString());
      else if (field === 5) {
        const tensor = new Tensor();
        reader.readMessage(tensor, Tensor.read);
        jspb.Message.addToRepeatedWrapperField(message, 5, tensor, Tensor);
      } else reader.skipField();
    }
    return message;
  }
}

interface Writer {
  writeString(field: number, value: string): void;
  writePackedFloat(field: number, values: readonly number[]): void;
  writePackedInt64(field: number, values: readonly number[]): void;
  writeMessage<T>(field: number, value: T | undefined, write: (value: T, writer: Writer) => void): void;
  writeRepeatedMessage<T>(
    field: number,
    values: readonly T[],
    write: (value: T, writer: Writer) => void,
  ): void;
  getResultBuffer(): Uint8Array;
}

interface Reader {
  nextField(): boolean;
  isEndGroup(): boolean;
  getFieldNumber(): number;
  skipField(): void;
  readString(): string;
  readPackableFloatInto(values: number[]): void;
  readMessage<T>(message: T, read: (message: T, reader: Reader) => T): void;
}

/** As grpc-tools writes it. */
const service = {
  modelInfer: {
    path: '/inference.GRPCInferenceService/ModelInfer',
    requestStream: false,
    responseStream: false,
    requestSerialize: (message: Infer) => Buffer.from(message.serializeBinary()),
    requestDeserialize: (bytes: Buffer) => Infer.deserializeBinary(new Uint8Array(bytes)),
    responseSerialize: (message: Infer) => Buffer.from(message.serializeBinary()),
    responseDeserialize: (bytes: Buffer) => Infer.deserializeBinary(new Uint8Array(bytes)),
  },
};

export const googleProtobuf: Library = {
  name: 'grpc-js with grpc-tools (google-protobuf)',
  packages: ['google-protobuf'],
  attached: '`new Client(address, credentials, { interceptors: [guard.interceptor] })`',
  lines: 1,
  source: '`provenanceOf(message)`',
  faults: 'm',
  circuitKey: MODEL_KEY,
  register: (fallbacks) => {
    const answer = Infer.of('m', Tensor.of('y', -1));
    fallbacks.register(service.modelInfer, [lastGood(), defaultPrediction<Infer, Infer>(answer)]);
  },
  connect: (address, guard) => {
    const Client = makeGenericClientConstructor(service, 'GRPCInferenceService');
    const client = new Client(address, credentials.createInsecure(), { interceptors: [guard.interceptor] });
    return {
      ask: (value) =>
        new Promise((resolve, reject) => {
          const request = Infer.of('m', Tensor.of('x', value));
          client.modelInfer?.(request, (error: ServiceError | null, response: Infer) => {
            if (error) return reject(error);
            const [answer = NaN] = response.getOutputsList()[0]?.getContents()?.getFp32ContentsList() ?? [];
            resolve({ answer, source: provenanceOf(response).source });
          });
        }),
      close: () => client.close(),
    };
  },
};
