-- For wrk: every request signs somebody else up. Arguments: a name for the run, and the seminars by their slugs.
local number = 0

function init(arguments)
  run = table.remove(arguments, 1)
  seminars = arguments
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  number = number + 1
  local who = run .. "-" .. number
  wrk.headers["Idempotency-Key"] = who
  return wrk.format(nil, nil, nil, '{"seminar": "' .. seminars[number % #seminars + 1] .. '", "name": "Kari Nordmann", '
    .. '"email": "' .. who .. '@solund.example.no", "attendance": "in_person", "organisation": "Solund kommune"}')
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('\n{"rate": %f, "p50": %f, "p99": %f, "errors": %d}\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
