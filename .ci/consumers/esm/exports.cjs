// node exports.cjs SPECIFIER...: requires each, in a process where nothing has been imported.
for (const specifier of process.argv.slice(2)) require(specifier);
require.resolve('failsoft/protos/tensorflow_serving/apis/model_service.proto');
