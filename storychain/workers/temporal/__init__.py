"""Orders by Temporal, and what workflows of others need to have a story rendered: `Asked`, `RenderStory`, `Told`.

    told = await render_story(client, Asked("tale", text, max_credits=120))            # from a program
    told = await workflow.execute_child_workflow(                                      # from a workflow
        RenderStory.run, asked, id=asked.workflow_id, task_queue=TASK_QUEUE)

A `storychain worker --engine temporal` has to serve the task queue. Without storychain[temporal] there is nothing here.
"""

from storychain.workers.temporal.asking import render_story
from storychain.workers.temporal.workflow import TASK_QUEUE, Asked, RenderStory, Told, workflow_id

__all__ = ["TASK_QUEUE", "Asked", "RenderStory", "Told", "render_story", "workflow_id"]
