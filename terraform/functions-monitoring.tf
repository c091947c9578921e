# The alarms of the functions, and their panels on the dashboard. A message that a function gives back is no
# error of the function: the alarms of the queues see it.

locals {
  # How much of its time a function may need before that is an alarm.
  function_duration_share = 0.8

  function_alarms = merge([
    for role, name in { for role in local.functions : role => local.service_names[role] } : {
      "${name}-errors" = {
        metric      = "AWS/Lambda Errors Sum"
        dimensions  = { FunctionName = name }
        above       = 0
        of          = 1
        minutes     = 5
        description = "The function of ${role} did not start, crashed, or did not end in time; its log says which. The messages of its batch come again after the visibility timeout, and each time counts as a receive."
      }
      "${name}-throttles" = {
        metric      = "AWS/Lambda Throttles Sum"
        dimensions  = { FunctionName = name }
        above       = 0
        of          = 1
        minutes     = 5
        description = "Lambda refused calls of ${role}, since the account runs as many instances at once as it may. Each refusal counts as a receive, so messages get to the dead-letter queue without being worked on. Raise the quota of the account, or lower lambda_concurrency_max."
      }
      "${name}-duration" = {
        metric      = "AWS/Lambda Duration Maximum"
        dimensions  = { FunctionName = name }
        above       = local.function_duration_share * local.function_timeout_s * 1000
        of          = 1
        minutes     = 5
        description = "A batch of ${role} took almost as long as the function may. Beyond that Lambda ends it in the middle. Look at what is slow in its log; then raise lambda_timeout_s, or lambda_memory_mib, which also brings processor time."
      }
    }
  ]...)

  function_panels = [
    for role in local.functions : {
      role = role
      panel = {
        title = "${role}: function"
        stat  = "Sum"
        metrics = concat(
          [for metric in ["Invocations", "Errors", "Throttles"] : ["AWS/Lambda", metric, "FunctionName", local.service_names[role]]],
          [["AWS/Lambda", "Duration", "FunctionName", local.service_names[role], { stat = "Maximum", yAxis = "right" }]],
        )
      }
    }
  ]
}
