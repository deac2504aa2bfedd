# What tritonclient, Triton's own Python client, makes of the mock server: the arguments are its address and a phase's name.
import json
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(sys.argv[1])
told = {}


def tensor(name, values, datatype):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values)
    return made


def failure(run):
    try:
        run()
        return "no error"
    except InferenceServerException as error:
        return f"{error.status()} {error.message()}"


told["live"] = client.is_server_live()
told["ready"] = client.is_server_ready()
told["metadata"] = client.get_model_metadata("iris", as_json=True)
told["config"] = client.get_model_config("iris", as_json=True)
told["index"] = client.get_model_repository_index(as_json=True)["models"]
x = np.array([[1, 2, 3, 4]], dtype=np.float32)
result = client.infer("iris", [tensor("x", x, "FP32")], request_id="7")
told["y"] = result.as_numpy("y").tolist()
told["id"] = result.get_response().id
texts = client.infer("upper", [tensor("text", np.array([b"ab", "é".encode()], dtype=object), "BYTES")])
told["texts"] = [each.decode() for each in texts.as_numpy("text").tolist()]
echoed = {}
for datatype, dtype in {
    "BOOL": np.bool_, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8,
    "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "FP16": np.float16, "FP32": np.float32,
    "FP64": np.float64,
}.items():
    values = np.array([0, 1, 100], dtype=dtype)
    back = client.infer("echo", [tensor("x", values, datatype)]).as_numpy("x")
    echoed[datatype] = bool(back.dtype == values.dtype and np.array_equal(back, values))
told["echoed"] = echoed
told["unload"] = client.unload_model("iris")
told["index_unloaded"] = client.get_model_repository_index(as_json=True)["models"][0]
told["ready_unloaded"] = client.is_model_ready("iris")
told["infer_unloaded"] = failure(lambda: client.infer("iris", [tensor("x", x, "FP32")]))
told["load"] = client.load_model("iris")
told["load_unknown"] = failure(lambda: client.load_model("gone"))
told["decoupled_single"] = failure(
    lambda: client.infer("llm", [tensor("prompt", np.array([b"a b"], dtype=object), "BYTES")])
)
told["config_unknown"] = failure(lambda: client.get_model_config("gone"))
told["statistics_unknown"] = failure(lambda: client.get_inference_statistics("gone"))
statistics = client.get_inference_statistics("iris", as_json=True)["model_stats"][0]
told["statistics"] = [statistics["inference_count"], statistics["inference_stats"]["success"]["count"]]

streamed = []
import threading

done = threading.Event()


def took(result, error):
    if error is not None:
        streamed.append(f"error {error.message()}")
        done.set()
        return
    response = result.get_response()
    if response.parameters["triton_final_response"].bool_param:
        done.set()
    else:
        streamed.append(result.as_numpy("token")[0].decode())


client.start_stream(took)
client.async_stream_infer(
    "llm",
    [tensor("prompt", np.array([b"a model says"], dtype=object), "BYTES")],
    enable_empty_final_response=True,
)
done.wait(20)
client.stop_stream()
told["streamed"] = streamed
print(json.dumps(told))
