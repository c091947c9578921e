output "topic_arns" {
  description = "ARN of each SNS topic, by topic (without the prefix and without .fifo); empty with integration = \"step-functions\" or events = \"eventbridge\"."
  value       = { for topic, it in merge(aws_sns_topic.topic, aws_sns_topic.fifo) : topic => it.arn }
}

output "queues" {
  description = "URL and ARN of the queue of each role and each guest, of its dead-letter queue (dlq) and of its queue for messages that SNS or EventBridge could not deliver (undelivered), by role or guest. With integration = \"step-functions\" the first is that of its tasks, and undelivered is null."
  value = {
    for role in local.listeners : role => {
      url             = aws_sqs_queue.role[role].url
      arn             = aws_sqs_queue.role[role].arn
      dlq_url         = aws_sqs_queue.dlq[role].url
      dlq_arn         = aws_sqs_queue.dlq[role].arn
      undelivered_url = try(aws_sqs_queue.undelivered[role].url, null)
      undelivered_arn = try(aws_sqs_queue.undelivered[role].arn, null)
    }
  }
}

output "event_bus_name" {
  description = "Name of the event bus, with events = \"eventbridge\"; else null."
  value       = one(aws_cloudwatch_event_bus.booking[*].name)
}

output "event_bus_arn" {
  description = "ARN of the event bus, with events = \"eventbridge\"; else null."
  value       = one(aws_cloudwatch_event_bus.booking[*].arn)
}

output "state_machine_arn" {
  description = "ARN of the state machine, with integration = \"step-functions\"; else null."
  value       = one(aws_sfn_state_machine.booking[*].arn)
}

output "policy_arns" {
  description = "ARN of each IAM policy: by role or guest, for clients under \"client\", for people under \"operator\", and for those who ask status at the URL of its function under \"status_url\"."
  value = merge(
    { for publisher, it in aws_iam_policy.publisher : publisher => it.arn },
    { operator = aws_iam_policy.operator.arn },
    { for it in aws_iam_policy.status_url : "status_url" => it.arn },
  )
}

output "table_names" {
  description = "Name of each role's table, by role; empty unless store is dynamodb."
  value       = { for role, it in aws_dynamodb_table.role : role => it.name }
}

output "alarm_topic_arn" {
  description = "ARN of the SNS topic that the alarms go to; subscribe the people who should get them. Null without monitoring."
  value       = local.monitored ? local.alarm_topic_arn : null
}

output "cluster_arn" {
  description = "ARN of the ECS cluster that the services run in; null without services."
  value       = length(local.running) > 0 ? local.cluster_arn : null
}

output "services" {
  description = "Name, security group, task role and log group of each ECS service, by role; empty without an image."
  value = {
    for role, it in aws_ecs_service.role : role => {
      name              = it.name
      security_group_id = aws_security_group.role[role].id
      task_role_arn     = aws_iam_role.task[role].arn
      log_group         = aws_cloudwatch_log_group.role[role].name
    }
  }
}

output "functions" {
  description = "Name, ARN, role and log group of each Lambda function, by role; empty unless compute is lambda."
  value = {
    for role, it in aws_lambda_function.role : role => {
      name      = it.function_name
      arn       = local.function_arns[role]
      role_arn  = local.function_role_arns[role]
      log_group = aws_cloudwatch_log_group.role[role].name
    }
  }
}

output "status_url" {
  description = "URL at which the function of status answers, with compute = \"lambda\"; else null."
  value       = one(aws_lambda_function_url.status[*].function_url)
}
