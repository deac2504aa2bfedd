/**
 * Reads one field of a message, whatever generated its class. ts-proto and protobuf-es give the field as a property in
 * camelCase, proto-loader in camelCase or (keepCase) as in the proto file, google-protobuf (grpc-tools) through a getter.
 */
export class MessageField {
  readonly #camel: string;
  readonly #snake: string;
  readonly #getter: string;
  readonly #listGetter: string;

  /** @param name as in the proto file: `model_name` */
  constructor(name: string) {
    this.#snake = name;
    this.#camel = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    this.#getter = `get${this.#camel.charAt(0).toUpperCase()}${this.#camel.slice(1)}`;
    this.#listGetter = `${this.#getter}List`;
  }

  /** The field's value; undefined if the message has no such field, or is no object. */
  of(message: unknown): unknown {
    if (typeof message !== 'object' || message === null) return undefined;
    return (
      Reflect.get(message, this.#camel) ??
      Reflect.get(message, this.#snake) ??
      got(message, this.#getter) ??
      got(message, this.#listGetter)
    );
  }

  /** The field's value if it is the set member of a oneof, else undefined. protobuf-es and ts-proto give a oneof as one property. */
  inOneof(oneof: unknown): unknown {
    if (typeof oneof !== 'object' || oneof === null) return undefined;
    const chosen: unknown = Reflect.get(oneof, 'case') ?? Reflect.get(oneof, '$case');
    if (chosen !== this.#camel && chosen !== this.#snake) return undefined;
    return Reflect.get(oneof, 'value') ?? this.of(oneof);
  }
}

function got(message: object, getter: string): unknown {
  const method: unknown = Reflect.get(message, getter);
  return typeof method === 'function' ? method.call(message) : undefined;
}
