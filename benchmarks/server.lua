-- wrk's script: `wrk ... -s server.lua URL -- BODIES` posts the lines of a file in turn; a summary in JSON comes last.
local bodies, at = {}, 0

function init(args)
    for line in io.lines(args[1]) do
        bodies[#bodies + 1] = wrk.format("POST", nil, {["Content-Type"] = "application/json"}, line)
    end
end

function request()
    at = at % #bodies + 1
    return bodies[at]
end

function done(summary, latency)
    local errors = summary.errors
    print(string.format('{"requests": %d, "seconds": %.3f, "refused": %d, "broken": %d, "p50": %.2f, "p95": %.2f, "p99": %.2f}',
        summary.requests, summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3))
end
