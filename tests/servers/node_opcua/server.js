// An OPC UA server of another maker: a mill with a counter that keeps its history, an array, named states, an alarm that
// comes and goes and one that was raised before anybody listened, and as many variables as asked.
// usage: node server.js PORT PKI_FOLDER VARIABLES; it says "ready", and ends with its standard input
const ua = require("node-opcua");

async function main(port, folder, many) {
  const server = new ua.OPCUAServer({
    port,
    hostname: "127.0.0.1",
    resourcePath: "/",
    serverCertificateManager: new ua.OPCUACertificateManager({
      automaticallyAcceptUnknownCertificate: true,
      rootFolder: folder,
    }),
    serverCapabilities: { maxSessions: 50, maxSubscriptions: 50, maxMonitoredItems: 200000 },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  space.installAlarmsAndConditionsService(); // without it ConditionRefresh is there, and refused
  const own = space.registerNamespace("urn:fieldlab:test:machine");
  const mill = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Mill", nodeId: "s=Mill", eventSourceOf: space.rootFolder.objects.server });
  const counter = own.addAnalogDataItem({
    componentOf: mill,
    browseName: "Counter",
    nodeId: "s=Mill/Counter",
    dataType: "Double",
    engineeringUnits: ua.standardUnits.ampere,
    engineeringUnitsRange: { low: 0, high: 40 },
    minimumSamplingInterval: 0,
  });
  counter.setValueFromSource({ dataType: "Double", value: 0 });
  space.installHistoricalDataNode(counter, { maxOnlineValues: 100000 });
  const axes = own.addVariable({
    componentOf: mill,
    browseName: "Axes",
    nodeId: "s=Mill/Axes",
    dataType: "Double",
    valueRank: 1,
    arrayDimensions: [3],
  });
  axes.setValueFromSource({
    dataType: "Double",
    arrayType: ua.VariantArrayType.Array,
    value: new Float64Array([1, 2, 3]),
  });
  const states = own.addEnumerationType({ browseName: "MillState", enumeration: ["Idle", "Cutting"] });
  own
    .addVariable({ componentOf: mill, browseName: "State", nodeId: "s=Mill/State", dataType: states })
    .setValueFromSource({ dataType: "Int32", value: 1 });
  own.addMultiStateDiscrete({
    componentOf: mill,
    browseName: "Mode",
    nodeId: "s=Mill/Mode",
    enumStrings: ["Manual", "Automatic"],
    value: 1,
  });
  const heat = own.addVariable({
    componentOf: mill,
    browseName: "Heat",
    nodeId: "s=Mill/Heat",
    dataType: "Double",
    eventSourceOf: mill,
  });
  heat.setValueFromSource({ dataType: "Double", value: 20 });
  own.instantiateNonExclusiveLimitAlarm("NonExclusiveLimitAlarmType", {
    browseName: "OverheatedAlarm",
    conditionName: "Overheated",
    conditionSource: heat,
    inputNode: heat,
    highLimit: 80,
    highHighLimit: 100,
  });
  const pressure = own.addVariable({
    componentOf: mill,
    browseName: "Pressure",
    nodeId: "s=Mill/Pressure",
    dataType: "Double",
    eventSourceOf: mill,
  });
  pressure.setValueFromSource({ dataType: "Double", value: 1 });
  own.instantiateNonExclusiveLimitAlarm("NonExclusiveLimitAlarmType", {
    browseName: "JammedAlarm",
    conditionName: "Jammed",
    conditionSource: pressure,
    inputNode: pressure,
    highLimit: 8,
    highHighLimit: 10,
  });
  pressure.setValueFromSource({ dataType: "Double", value: 12 });
  for (let place = 0; place < many; place++) {
    own
      .addVariable({ componentOf: mill, browseName: `v${place}`, nodeId: `s=v${place}`, dataType: "Double" })
      .setValueFromSource({ dataType: "Double", value: place });
  }
  let warm = 0; // the alarm comes and goes
  setInterval(() => heat.setValueFromSource({ dataType: "Double", value: (warm = 110 - warm) }), 1000);
  let count = 0; // slower than the server looks at a value, which is every 50 ms
  setInterval(() => counter.setValueFromSource({ dataType: "Double", value: ++count }), 200);
  await server.start();
  console.log("ready");
}

process.stdin.on("end", () => process.exit(0)).resume();
main(Number(process.argv[2]), process.argv[3], Number(process.argv[4])).catch((error) => {
  console.error(error);
  process.exit(1);
});
