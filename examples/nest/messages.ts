/** The fields of the protocol's messages that this application uses, as proto-loader has them. */
export interface InferRequest {
  modelName: string;
  inputs: Tensor[];
}

export interface InferResponse {
  modelName: string;
  outputs: Tensor[];
}

interface Tensor {
  name: string;
  datatype: string;
  shape: number[];
  contents: { fp32Contents?: number[]; int64Contents?: number[] };
}
