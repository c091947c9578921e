# Reads topics/ once more, in another way than topics.tf, so that the tests can compare the results.

locals {
  folder = "${path.module}/../../../topics"
  files  = [for file in fileset(local.folder, "*.json") : jsondecode(file("${local.folder}/${file}"))]
}

output "topics" {
  value = toset(local.files[*].topic)
}

output "roles" {
  value = toset(flatten(local.files[*].subscribers[*].role))
}

# Every pair that must be a subscription, as "role/topic".
output "subscriptions" {
  value = toset(flatten([for it in local.files : formatlist("%s/%s", it.subscribers[*].role, it.topic)]))
}

# role => the topics that it subscribes to
output "subscribes" {
  value = transpose({ for it in local.files : it.topic => it.subscribers[*].role })
}

# role or client => the topics that it publishes; a role that publishes nothing is missing
output "publishes" {
  value = transpose({ for it in local.files : it.topic => [it.publisher] })
}
