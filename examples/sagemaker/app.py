# A model behind SageMaker's container protocol, with FastAPI: uvicorn app:app
#
# GET /ping answers whether the model is ready, POST /invocations predicts, and POST /endpoints/{name}/invocations is the same behind
# a runtime with several models. PUT /trouble sets the model's trouble, for the story of the example.
import os

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

app = FastAPI()
trouble = "none"


def answer(features: list[float]) -> Response:
    if trouble == "busy":
        return JSONResponse({"message": "ModelError: no worker is free"}, 429)
    if trouble != "none":
        return JSONResponse({"message": "ModelError: CUDA error"}, 500)
    return JSONResponse({"predictions": [sum(features)]})


@app.get("/ping")
def ping() -> Response:
    return Response(status_code=200 if trouble in ("none", "busy") else 503)


@app.post("/invocations")
async def invocations(request: Request) -> Response:
    return answer((await request.json())["features"])


@app.post("/endpoints/{name}/invocations")
async def endpoint(name: str, request: Request) -> Response:
    if name != "demand":
        return JSONResponse({"message": f"ValidationError: endpoint {name} not found"}, 400)
    return answer((await request.json())["features"])


@app.put("/trouble")
async def set_trouble(request: Request) -> Response:
    global trouble
    trouble = (await request.json())["trouble"]
    return Response(status_code=204)


if __name__ == "__main__":
    import socket

    import uvicorn

    listening = socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0"))))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])
