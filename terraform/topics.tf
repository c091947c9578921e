# Reads the choreography from topics/, which has one file for each topic. Publishers and subscribers
# are written nowhere else: every queue, subscription and policy of this module follows from these
# files.

locals {
  topics_folder = "${path.module}/../topics"

  topic_files = [
    for file in fileset(local.topics_folder, "*.json") :
    jsondecode(file("${local.topics_folder}/${file}"))
  ]

  # topic => its file
  topics = { for topic in local.topic_files : topic.topic => topic }

  # The publisher of booking requests. It is no role, and has no queue.
  client = "client"

  roles = setsubtract(
    flatten([for topic in local.topics : concat([topic.publisher], topic.subscribers[*].role)]),
    [local.client],
  )

  # "<role>/<topic>" => both
  subscriptions = merge([
    for name, topic in local.topics : {
      for subscriber in topic.subscribers :
      "${subscriber.role}/${name}" => { role = subscriber.role, topic = name }
    }
  ]...)

  # role or client => the topics that it publishes
  publishes = {
    for publisher in setunion(local.roles, [local.client]) : publisher => sort([
      for name, topic in local.topics : name if topic.publisher == publisher
    ])
  }

  # role => the topics that it subscribes to
  subscribes = {
    for role in local.roles : role => sort([
      for subscription in local.subscriptions : subscription.topic if subscription.role == role
    ])
  }
}

resource "aws_sns_topic" "topic" {
  for_each = local.topics

  name              = local.topic_names[each.key]
  kms_master_key_id = var.kms_key_arn
}
