"""Somebody's own workflow, of which a story is a part."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from storychain.workers.temporal import Asked, RenderStory, Told


@workflow.defn
class Evening:
    """Asks for a story as its own child."""

    @workflow.run
    async def run(self, asked: Asked, task_queue: str) -> Told:
        """What came of the story."""
        return await workflow.execute_child_workflow(
            RenderStory.run, asked, id=asked.workflow_id, task_queue=task_queue
        )
