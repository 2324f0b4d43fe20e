// Uses a portal as a program with Bitrix24's own SDK does, and prints what it was
// told as one JSON object. The webhook's address comes as the first argument; with
// a second one the leads are moved while the portal's bucket is full.
import { B24Hook, EnumCrmEntityTypeId } from '@bitrix24/b24jssdk'

const b24 = B24Hook.fromWebhookUrl(process.argv[2])
b24.offClientSideWarning()
const v2 = b24.actions.v2
const said = {}

const must = (response) => {
  if (!response.isSuccess) {
    throw new Error(response.getErrorMessages().join('; '))
  }
  return response.getData()
}

const update = (id, stageId) => ({
  method: 'crm.item.update',
  params: { entityTypeId: EnumCrmEntityTypeId.lead, id, fields: { stageId, title: 'Заявка №1 & «2» #3' } },
})

if (process.argv[3] === 'full') {
  const leads = must(await v2.callList.make({
    method: 'crm.item.list', idKey: 'id', customKeyForResult: 'items',
    params: { entityTypeId: EnumCrmEntityTypeId.lead, select: ['id'] },
  }))
  said.batched = must(await v2.batchByChunk.make({
    calls: leads.map((lead) => update(lead.id, 'PROCESSED')), options: { isHaltOnError: false },
  })).length
  console.log(JSON.stringify(said))
  process.exit()
}

said.statuses = must(await v2.call.make({
  method: 'crm.status.list', params: { order: { SORT: 'ASC' }, filter: { ENTITY_ID: 'STATUS' } },
})).result.map((status) => status.STATUS_ID)

said.pipelines = must(await v2.call.make({
  method: 'crm.category.list', params: { entityTypeId: EnumCrmEntityTypeId.deal },
})).result.categories.map((category) => category.name)

const named = must(await v2.batch.make({
  calls: {
    mode: { method: 'crm.settings.mode.get', params: {} },
    stages: { method: 'crm.status.list', params: { filter: { ENTITY_ID: 'DEAL_STAGE_5' } } },
  },
  options: { isHaltOnError: true, returnAjaxResult: false },
}))
said.mode = named.mode
said.stages = named.stages.map((status) => status.STATUS_ID)

const leads = must(await v2.callList.make({
  method: 'crm.item.list', idKey: 'id', customKeyForResult: 'items',
  params: { entityTypeId: EnumCrmEntityTypeId.lead, select: ['id', 'stageId'], filter: { '@stageId': ['NEW'] } },
}))
said.listed = leads.length

const moved = must(await v2.call.make({
  method: 'crm.item.update',
  params: { entityTypeId: EnumCrmEntityTypeId.lead, id: leads[0].id, fields: { stageId: 'PROCESSED' } },
}))
said.moved = moved.result.item.stageId

said.batched = must(await v2.batchByChunk.make({
  calls: leads.slice(1).map((lead) => update(lead.id, 'IN_PROCESS')), options: { isHaltOnError: false },
})).length

const missing = await v2.batch.make({
  calls: [update(leads[0].id, 'JUNK'), update(999999, 'JUNK')], options: { isHaltOnError: false, returnAjaxResult: true },
})
said.failed = missing.getErrorMessages().join('; ')

try {
  await v2.call.make({ method: 'crm.item.get', params: { entityTypeId: EnumCrmEntityTypeId.lead, id: 999999 } })
    .then((response) => { said.notFound = response.getErrorMessages().join('; ') })
} catch (error) {
  said.notFound = String(error.message)
}

console.log(JSON.stringify(said))
