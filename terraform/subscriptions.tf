resource "aws_sns_topic_subscription" "role" {
  for_each = { for pair, it in local.subscriptions : pair => it if local.carrier == "sns" }

  topic_arn = local.topic_arns[each.value.topic]
  protocol  = "sqs"
  endpoint  = local.queue_arns[each.value.listener]

  # The services need the SNS envelope: it has the MessageId, which is the same in all queues, and
  # the TopicArn, which the publisher cannot forge.
  raw_message_delivery = false

  redrive_policy = jsonencode({
    deadLetterTargetArn = local.undelivered_arns[each.value.listener]
  })

  # Terraform cannot see these dependencies in composed ARNs. SNS refuses an unknown topic, and a
  # message that comes before the queue or its policy exists is lost.
  depends_on = [aws_sns_topic.topic, aws_sns_topic.fifo, aws_sqs_queue.role, aws_sqs_queue.undelivered]
}
